import { decodeJwt } from 'jose';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type LandingPlace, openLandingPlace } from '../login/landing-place.ts';
import { startTestProvider, type TestProvider } from '../login/test-provider.ts';
import { type RunningServer, startRunningServer } from './running-server.ts';
import { newProofKey, SallyClient } from './sally-client.ts';

let provider: TestProvider;
let running: RunningServer;
let landing: LandingPlace;
beforeAll(async () => {
  const people = [{ username: 'dora', email: 'dora@acme.test' }];
  provider = await startTestProvider({ slug: 'corp', refreshTokens: true, people });
  running = await startRunningServer({ providers: [provider] });
  landing = await openLandingPlace();
});
afterAll(async () => {
  await landing.close();
  await running.close();
  await provider.close();
  expect(running.serverErrors).toEqual([]);
});
beforeEach(() => {
  provider.start();
  provider.enable('dora');
});

async function loggedIn() {
  const client = new SallyClient(running, await newProofKey(), landing.port);
  const { url } = await provider.logIn(
    client.browser,
    await client.authorizationUrl({ provider: 'corp' }),
    'dora',
  );
  const { body } = await client.redeem(url.searchParams.get('code') ?? '');
  return {
    client,
    token: String(body['refresh_token']),
    sid: String(decodeJwt(String(body['access_token']))['sid']),
  };
}
/** What the identity provider said is too old to be believed. */
const forget = () =>
  running.database.db
    .updateTable('upstream_grants')
    .set({ checked_at: new Date(running.now().getTime() - 301_000), lease_until: null, lease: null })
    .execute();
const endOf = async (id: string) =>
  (
    await running.database.db
      .selectFrom('login_sessions')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
  ).ended_reason;

test('a renewal asks the identity provider too', async () => {
  const { client, token } = await loggedIn();
  await forget();
  provider.requests.length = 0;
  expect((await client.refresh(token)).status).toBe(200);
  expect(provider.requests).toMatchObject([{ grantType: 'refresh_token', status: 200 }]);
});

test('a person whom the identity provider no longer knows is refused, and the session ends', async () => {
  const { client, token, sid } = await loggedIn();
  await forget();
  provider.disable('dora');
  expect(await client.refresh(token)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
  expect(await endOf(sid)).toBe('upstream_ended');
});

test('in an outage renewals go on within the grace; beyond it they wait, and nothing is used up', async () => {
  const { client, token, sid } = await loggedIn();
  await forget();
  provider.stop();
  const within = await client.refresh(token);
  expect(within.status).toBe(200);
  await running.database.db.updateTable('organizations').set({ outage_grace_seconds: 0 }).execute();
  await forget();
  const second = String(within.body['refresh_token']);
  expect(await client.refresh(second)).toMatchObject({
    status: 503,
    body: { error: 'temporarily_unavailable' },
  });
  expect(await endOf(sid)).toBeNull();
  provider.start();
  await forget();
  expect((await client.refresh(second)).status).toBe(200);
});

test('a token that comes back ends the session without asking the identity provider', async () => {
  const { client, token, sid } = await loggedIn();
  const second = await client.refresh(token);
  await client.refresh(String(second.body['refresh_token']));
  await forget();
  provider.requests.length = 0;
  expect(await client.refresh(token)).toMatchObject({ status: 400 });
  expect(provider.requests).toEqual([]);
  expect(await endOf(sid)).toBe('refresh_reused');
});
