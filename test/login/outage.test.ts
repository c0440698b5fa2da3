import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { requireLiveUpstream } from '../../src/login/upstream-check.ts';
import { CarefulBrowser } from './careful-browser.ts';
import { withCode } from './forging-world.ts';
import { startUpstreamWorld, type UpstreamWorld } from './upstream-world.ts';

let world: UpstreamWorld;
beforeAll(async () => {
  world = await startUpstreamWorld();
});
afterAll(() => world.close());
afterEach(() => {
  world.idp.start();
  world.idp.behaviour.brokenPaths.clear();
});

const fiveMinutes = 301;
const begin = () => new URL('/test/helper', world.publicUrl);
const liveUpstream = (sessionId: string) =>
  requireLiveUpstream(
    { database: world.database, providers: world.providers, sealer: world.sealer, clock: world.now },
    sessionId,
  );
const sessions = async () =>
  (await world.database.db.selectFrom('login_sessions').select('id').execute()).length;
const grace = async (seconds: number) =>
  await world.database.db.updateTable('organizations').set({ outage_grace_seconds: seconds }).execute();

/** Where a login begins while the provider is away: the page, looked at in every respect. */
async function refusal() {
  const { status, headers, location, text } = await new CarefulBrowser().open(begin());
  expect({ status, location }).toEqual({ status: 503, location: null });
  expect([headers.get('refresh'), headers.get('retry-after')]).toEqual(['5', '5']);
  expect(headers.get('cache-control')).toBe('no-store');
  expect(text).toContain('Provider default does not answer');
  expect(text).toContain(new URL(world.idp.issuer).host);
  return text;
}

test('[abuse 137] while the provider is away sessions are renewed only within the organization’s grace, new logins are refused clearly, and all of it recovers by itself', async () => {
  await grace(3600);
  const { sessionId } = await world.logIn('dora', 'helper');
  const before = await sessions();
  world.idp.stop();

  world.advance(fiveMinutes);
  await liveUpstream(sessionId);
  await refusal();
  world.advance(3000);
  await liveUpstream(sessionId);
  world.advance(1000);
  await expect(liveUpstream(sessionId)).rejects.toEqual(withCode('unavailable'));
  expect(await refusal()).toContain('Sessions that are open already go on.');
  expect(await sessions()).toBe(before);
  expect(await world.database.db.selectFrom('login_states').select('state_hash').execute()).toEqual([]);

  world.idp.start();
  world.advance(60);
  await liveUpstream(sessionId);
  expect((await new CarefulBrowser().open(begin())).location?.origin).toBe(world.idp.issuer);
  expect((await world.logIn('emil', 'helper')).sessionId).toEqual(expect.any(String));
});

test('an organization without grace has no renewal at all while its provider is away', async () => {
  await grace(0);
  const { sessionId } = await world.logIn('dora', 'helper');
  world.idp.stop();
  world.advance(fiveMinutes);
  await expect(liveUpstream(sessionId)).rejects.toEqual(withCode('unavailable'));
});

describe('a provider that goes away in the midst of a login', () => {
  test('is told to whoever waits, and the same reply is not tried again', async () => {
    const browser = new CarefulBrowser();
    const reply = await browser.replyFor(begin(), world.idp, 'dora');
    world.idp.stop();
    const { status, headers, text } = await browser.open(reply);
    expect({ status, text: JSON.parse(text) }).toEqual({
      status: 403,
      text: { code: 'login_provider_error' },
    });
    expect(headers.get('refresh')).toBeNull();
    world.idp.start();
    expect((await browser.open(reply)).status).toBe(400);
  });

  test.each(['/token', '/jwks', '/.well-known/openid-configuration'])(
    'with its %s alone leaves nobody logged in who should not be, and recovers',
    async (path) => {
      const before = await sessions();
      const browser = new CarefulBrowser();
      const reply = await browser.replyFor(begin(), world.idp, 'dora');
      world.idp.behaviour.brokenPaths.add(path);
      const { status } = await browser.open(reply);
      // Keys and metadata are known from a moment ago.
      expect(status).toBe(path === '/token' ? 403 : 200);
      expect(await sessions()).toBe(path === '/token' ? before : before + 1);
      world.idp.behaviour.brokenPaths.clear();
      expect((await world.logIn('dora', 'helper')).sessionId).toEqual(expect.any(String));
    },
  );
});
