import { randomUUID } from 'node:crypto';
import { SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Browser } from '../../src/dev/tour/browser.ts';
import { startUpstreamWorld, type UpstreamWorld } from './upstream-world.ts';

let world: UpstreamWorld;
beforeAll(async () => {
  world = await startUpstreamWorld();
});
afterAll(() => world.close());
beforeEach(() => {
  world.onLogin = null;
});

const event = 'http://schemas.openid.net/event/backchannel-logout';
const seconds = () => Math.floor(world.now().getTime() / 1000);
const claimsOf = (change: Record<string, unknown> = {}) => ({
  iss: world.idp.issuer,
  aud: world.idp.clientId,
  iat: seconds(),
  exp: seconds() + 120,
  jti: randomUUID(),
  events: { [event]: {} },
  ...change,
});
const token = (
  change: Record<string, unknown> = {},
  header: Record<string, unknown> = { typ: 'logout+jwt' },
) => world.idp.sign(claimsOf(change), header);
const send = (jwt: string) =>
  world.post('/login/back-channel-logout/default', new URLSearchParams({ logout_token: jwt }).toString());
const row = (id: string) =>
  world.database.db.selectFrom('login_sessions').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
const sidOf = async (id: string) => String((await row(id)).upstream_sid);
const isLive = async (id: string) => (await row(id)).ended_at === null;

describe('[abuse 76] a logout token', () => {
  test('ends the sessions of sally and of browsers of that session there, and no other, before it is answered', async () => {
    const browser = new Browser();
    const helper = await world.logIn('dora', 'helper', browser);
    const console = await world.logIn('dora', 'browser', browser);
    const elsewhere = await world.logIn('dora', 'helper');
    const sid = await sidOf(helper.sessionId);
    expect(await sidOf(console.sessionId)).toBe(sid);
    expect(await world.idp.endSession({ sub: 'dora', sid })).toBe(200);
    expect(await row(helper.sessionId)).toMatchObject({
      ended_reason: 'provider_logout',
      ended_by: 'provider:default',
    });
    expect(await isLive(console.sessionId)).toBe(false);
    expect(await isLive(elsewhere.sessionId)).toBe(true);
  });

  test('without sid ends every session of the person, and nobody else’s', async () => {
    const mine = [await world.logIn('dora', 'helper'), await world.logIn('dora', 'browser')];
    const emil = await world.logIn('emil', 'helper');
    const reply = await send(await token({ sub: 'dora' }));
    expect([reply.status, await reply.text()]).toEqual([200, '']);
    for (const { sessionId } of mine) expect(await isLive(sessionId)).toBe(false);
    expect(await isLive(emil.sessionId)).toBe(true);
    // Logging out twice is no error (section 2.7).
    expect((await send(await token({ sub: 'dora' }))).status).toBe(200);
  });

  test('is accepted with the type that section 2.4 recommends, and without', async () => {
    for (const typ of ['logout+jwt', 'application/logout+jwt', 'JWT', undefined]) {
      const { sessionId } = await world.logIn('emil', 'helper');
      const jwt = await token({ sid: await sidOf(sessionId) }, typ === undefined ? {} : { typ });
      expect([typ, (await send(jwt)).status, await isLive(sessionId)]).toEqual([typ, 200, false]);
    }
  });

  test.each<[string, (sid: string) => Promise<string>]>([
    ['with a nonce', (sid) => token({ sid, nonce: 'n' })],
    ['without events', (sid) => token({ sid, events: undefined })],
    ['with another event', (sid) => token({ sid, events: { 'http://schemas.openid.net/event/other': {} } })],
    ['with an event that is no object', (sid) => token({ sid, events: { [event]: true } })],
    ['with events in a list', (sid) => token({ sid, events: [event] })],
    ['without signature', async (sid) => new UnsecuredJWT(claimsOf({ sid })).encode()],
    [
      'signed with our client secret',
      (sid) =>
        new SignJWT(claimsOf({ sid }))
          .setProtectedHeader({ alg: 'HS256', typ: 'logout+jwt' })
          .sign(new TextEncoder().encode(world.idp.clientSecret)),
    ],
    ['with a changed signature', async (sid) => `${(await token({ sid })).slice(0, -4)}AAAA`],
    ['of another issuer', (sid) => token({ sid, iss: 'https://login.example.com' })],
    ['for another client', (sid) => token({ sid, aud: 'somebody-else' })],
    ['without iat', (sid) => token({ sid, iat: undefined })],
    ['issued long ago', (sid) => token({ sid, iat: seconds() - 3_600 })],
    ['of tomorrow', (sid) => token({ sid, iat: seconds() + 86_400, exp: seconds() + 90_000 })],
    ['without exp', (sid) => token({ sid, exp: undefined })],
    ['that has expired', (sid) => token({ sid, exp: seconds() - 120 })],
    ['without jti', (sid) => token({ sid, jti: undefined })],
    ['with an empty jti', (sid) => token({ sid, jti: '' })],
    ['that names nobody', () => token()],
    ['with a sid that is no text', () => token({ sid: 7 })],
    ['with an empty sub', () => token({ sub: '' })],
    ['of the type of an ID token of another kind', (sid) => token({ sid }, { typ: 'at+jwt' })],
    ['of an unknown session', () => token({ sid: 'never heard of' })],
    ['of an unknown person', () => token({ sub: 'nobody' })],
    ['of a known session and somebody else', (sid) => token({ sid, sub: 'emil' })],
  ])('%s is refused with 400 and ends nothing', async (what, make) => {
    const { sessionId } = await world.logIn('dora', 'helper');
    const reply = await send(await make(await sidOf(sessionId)));
    const answer = {
      status: reply.status,
      body: await reply.json(),
      cached: reply.headers.get('cache-control'),
    };
    expect([what, answer]).toEqual([
      what,
      {
        status: 400,
        body: { error: 'invalid_request', error_description: expect.any(String) },
        cached: 'no-store',
      },
    ]);
    if (what !== 'of a known session and somebody else') expect(await isLive(sessionId)).toBe(true);
  });

  test('counts once', async () => {
    const { sessionId } = await world.logIn('dora', 'helper');
    const jwt = await token({ sid: await sidOf(sessionId), jti: 'once' });
    expect((await send(jwt)).status).toBe(200);
    expect((await send(jwt)).status).toBe(400);
    const { sessionId: other } = await world.logIn('dora', 'helper');
    expect((await send(await token({ sid: await sidOf(other), jti: 'once' }))).status).toBe(400);
    expect(await isLive(other)).toBe(true);
  });

  test('an ID token is none', async () => {
    const { sessionId } = await world.logIn('dora', 'helper');
    const sid = await sidOf(sessionId);
    for (const nonce of [{ nonce: 'of a login' }, {}]) {
      const idToken = await token(
        { sub: 'dora', sid, auth_time: seconds(), events: undefined, ...nonce },
        {},
      );
      expect((await send(idToken)).status).toBe(400);
    }
    expect(await isLive(sessionId)).toBe(true);
  });

  test('stands alone in its form', async () => {
    const { sessionId } = await world.logIn('dora', 'helper');
    const jwt = await token({ sid: await sidOf(sessionId) });
    const path = '/login/back-channel-logout/default';
    for (const body of ['', `logout_token=`, `token=${jwt}`, `logout_token=${jwt}&logout_token=${jwt}`]) {
      expect((await world.post(path, body)).status).toBe(400);
    }
    expect((await world.post(path, JSON.stringify({ logout_token: jwt }), 'application/json')).status).toBe(
      400,
    );
    expect((await world.post('/login/back-channel-logout/other', `logout_token=${jwt}`)).status).toBe(404);
    expect(await isLive(sessionId)).toBe(true);
    expect((await world.post(path, `logout_token=${jwt}&more=is+ignored`)).status).toBe(200);
  });
});

describe('a logout that comes before its login has committed', () => {
  test('by the session there: the login is refused', async () => {
    let answered: number | undefined;
    world.onLogin = async () => {
      // The newest session there is the one that is logging in.
      answered = (await send(await token({ sub: 'dora' }))).status;
    };
    expect(await world.logIn('dora', 'helper')).toEqual({ code: 'login_rejected' });
    expect(answered).toBe(200);
    world.onLogin = null;
    expect(await world.logIn('dora', 'helper')).toMatchObject({ sessionId: expect.any(String) });
  });
});

describe('a front-channel logout', () => {
  const open = (query: Record<string, string>) =>
    fetch(new URL(`/login/front-channel-logout/default?${new URLSearchParams(query)}`, world.publicUrl));

  test('ends the browser session and leaves that of sally alone', async () => {
    const browser = new Browser();
    const helper = await world.logIn('dora', 'helper', browser);
    const console = await world.logIn('dora', 'browser', browser);
    const other = await world.logIn('dora', 'browser');
    const reply = await open({ iss: world.idp.issuer, sid: await sidOf(helper.sessionId) });
    expect(reply.status).toBe(200);
    expect(reply.headers.get('content-security-policy')).toContain(`frame-ancestors ${world.idp.issuer}`);
    expect(await isLive(console.sessionId)).toBe(false);
    expect(await isLive(helper.sessionId)).toBe(true);
    expect(await isLive(other.sessionId)).toBe(true);
  });

  test('does nothing without both names, or with another issuer', async () => {
    const { sessionId } = await world.logIn('dora', 'browser');
    const [iss, sid] = [world.idp.issuer, await sidOf(sessionId)];
    for (const query of [{}, { iss }, { sid }, { iss, sid: '' }, { iss: 'https://x.example', sid }]) {
      expect((await open(query as Record<string, string>)).status).toBe(400);
    }
    expect(await isLive(sessionId)).toBe(true);
  });

  test('leaves no tombstone: nobody is kept from logging in by it', async () => {
    const browser = new Browser();
    const first = await world.logIn('dora', 'browser', browser);
    await open({ iss: world.idp.issuer, sid: await sidOf(first.sessionId) });
    const again = await world.logIn('dora', 'browser', browser);
    expect(await sidOf(again.sessionId)).toBe(await sidOf(first.sessionId));
  });
});
