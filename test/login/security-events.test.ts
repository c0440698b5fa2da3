import { randomUUID } from 'node:crypto';
import { SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadAccount } from '../../src/accounts/account.ts';
import { enableAccount } from '../../src/accounts/enable-account.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { findStalledStreams, silentSeconds } from '../../src/login/security-event-streams.ts';
import { startUpstreamWorld, type UpstreamWorld } from './upstream-world.ts';

let world: UpstreamWorld;
beforeAll(async () => {
  world = await startUpstreamWorld();
});
afterAll(() => world.close());

const sessionRevoked = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked';
const accountDisabled = 'https://schemas.openid.net/secevent/risc/event-type/account-disabled';
const verification = 'https://schemas.openid.net/secevent/ssf/event-type/verification';
const seconds = () => Math.floor(world.now().getTime() / 1000);
const dora = () => ({ format: 'iss_sub', iss: world.idp.issuer, sub: 'dora' });
const claimsOf = (change: Record<string, unknown> = {}) => ({
  iss: world.idp.issuer,
  aud: world.idp.clientId,
  iat: seconds(),
  jti: randomUUID(),
  sub_id: dora(),
  events: { [sessionRevoked]: { event_timestamp: seconds() } },
  ...change,
});
const token = (
  change: Record<string, unknown> = {},
  header: Record<string, unknown> = { typ: 'secevent+jwt' },
) => world.idp.sign(claimsOf(change), header);
const send = (jwt: string, contentType = 'application/secevent+jwt') =>
  world.post('/login/security-events/default', jwt, contentType);
const isLive = async (id: string) =>
  (
    await world.database.db
      .selectFrom('login_sessions')
      .select('ended_at')
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
  ).ended_at === null;
const sidOf = async (id: string) =>
  (
    await world.database.db
      .selectFrom('login_sessions')
      .select('upstream_sid')
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
  ).upstream_sid;

describe('[abuse 77] a security event', () => {
  test('session-revoked of a person ends all their sessions at once', async () => {
    const [one, two] = [await world.logIn('dora', 'helper'), await world.logIn('dora', 'browser')];
    const emil = await world.logIn('emil', 'helper');
    const reply = await send(await token());
    expect([reply.status, await reply.text()]).toEqual([202, '']);
    expect(await isLive(one.sessionId)).toBe(false);
    expect(await isLive(two.sessionId)).toBe(false);
    expect(await isLive(emil.sessionId)).toBe(true);
  });

  test('session-revoked of one session ends that one', async () => {
    const [one, two] = [await world.logIn('dora', 'helper'), await world.logIn('dora', 'helper')];
    const session = { format: 'opaque', id: await sidOf(one.sessionId) };
    const reply = await send(await token({ sub_id: { format: 'complex', user: dora(), session } }));
    expect(reply.status).toBe(202);
    expect(await isLive(one.sessionId)).toBe(false);
    expect(await isLive(two.sessionId)).toBe(true);
  });

  test('account-disabled disables the account here, and only an admin enables it', async () => {
    const { sessionId, accountId } = await world.logIn('dora', 'helper');
    expect((await send(await token({ events: { [accountDisabled]: {} } }))).status).toBe(202);
    expect(await isLive(sessionId)).toBe(false);
    expect((await loadAccount(world.database.db, accountId)).facts.disabled).toBe(true);
    expect(await world.logIn('dora', 'helper')).toEqual({ code: 'login_rejected' });
    await inTransaction(world.database.db, (tx) =>
      enableAccount(tx, { accountId, by: 'admin@acme.test' }, world.now()),
    );
    expect(await world.logIn('dora', 'helper')).toMatchObject({ accountId });
  });

  test('of a kind that means nothing here is taken, and changes nothing', async () => {
    const { sessionId } = await world.logIn('dora', 'helper');
    const other = 'https://schemas.openid.net/secevent/caep/event-type/device-compliance-change';
    expect((await send(await token({ events: { [other]: {} } }))).status).toBe(202);
    expect(await isLive(sessionId)).toBe(true);
  });

  test.each<[string, string, () => Promise<string>]>([
    ['of another issuer', 'invalid_issuer', () => token({ iss: 'https://login.example.com' })],
    ['for somebody else', 'invalid_audience', () => token({ aud: 'somebody-else' })],
    ['of another type', 'invalid_request', () => token({}, { typ: 'JWT' })],
    ['without type', 'invalid_request', () => token({}, {})],
    ['that is a logout token', 'invalid_request', () => token({}, { typ: 'logout+jwt' })],
    ['without signature', 'invalid_request', async () => new UnsecuredJWT(claimsOf()).encode()],
    [
      'signed with our client secret',
      'invalid_request',
      () =>
        new SignJWT(claimsOf())
          .setProtectedHeader({ alg: 'HS256', typ: 'secevent+jwt' })
          .sign(new TextEncoder().encode(world.idp.clientSecret)),
    ],
    ['without iat', 'invalid_request', () => token({ iat: undefined })],
    ['of last week', 'invalid_request', () => token({ iat: seconds() - 7 * 86_400 })],
    ['without jti', 'invalid_request', () => token({ jti: undefined })],
    ['without events', 'invalid_request', () => token({ events: undefined })],
    ['with no event', 'invalid_request', () => token({ events: {} })],
    ['with an event that is no object', 'invalid_request', () => token({ events: { [sessionRevoked]: 1 } })],
    ['without subject', 'invalid_request', () => token({ sub_id: undefined })],
    [
      'about an e-mail address',
      'invalid_request',
      () => token({ sub_id: { format: 'email', email: 'dora@acme.test' } }),
    ],
    [
      'in a format of addresses, whatever else it says',
      'invalid_request',
      () => token({ sub_id: { ...dora(), format: 'email', email: 'dora@acme.test' } }),
    ],
    [
      'about a person at another issuer',
      'invalid_request',
      () => token({ sub_id: { format: 'iss_sub', iss: 'https://login.example.com', sub: 'dora' } }),
    ],
    ['about a person without name', 'invalid_request', () => token({ sub_id: { ...dora(), sub: 7 } })],
    ['about nobody', 'invalid_request', () => token({ sub_id: { format: 'complex', device: dora() } })],
    ['that is no token', 'invalid_request', async () => 'nonsense'],
  ])('%s is refused as %s and ends nothing', async (what, err, make) => {
    const { sessionId } = await world.logIn('dora', 'helper');
    const reply = await send(await make());
    expect([what, reply.status, await reply.json()]).toEqual([
      what,
      400,
      { err, description: expect.any(String) },
    ]);
    expect(await isLive(sessionId)).toBe(true);
  });

  test('that came before is no error and ends nothing more', async () => {
    await world.logIn('dora', 'helper');
    const jwt = await token();
    expect((await send(jwt)).status).toBe(202);
    const { sessionId } = await world.logIn('dora', 'helper');
    expect((await send(jwt)).status).toBe(202);
    expect(await isLive(sessionId)).toBe(true);
  });

  test('comes as application/secevent+jwt, to a provider that there is', async () => {
    expect((await send(await token(), 'application/jwt')).status).toBe(400);
    expect(
      (await world.post('/login/security-events/other', await token(), 'application/secevent+jwt')).status,
    ).toBe(404);
  });
});

test('[abuse 77] a stream that is no longer verified raises one alarm, and another when it falls silent again', async () => {
  const stalled = () => findStalledStreams(world.database.db, world.now());
  const verify = async (jti: string) => {
    const events = { [verification]: { state: 'of the day' } };
    return (await send(await token({ sub_id: undefined, events, jti }))).status;
  };
  expect(await verify('first')).toBe(202);
  expect(await stalled()).toEqual([]);
  world.advance(silentSeconds + 60);
  const last = seconds() - silentSeconds - 60;
  expect(await stalled()).toEqual([{ provider: 'default', verified_at: expect.closeTo(last, -1) }]);
  expect(await stalled()).toEqual([]);
  // An event, or the same verification once more, proves nothing.
  expect(await verify('first')).toBe(202);
  world.advance(silentSeconds + 60);
  expect(await stalled()).toEqual([]);
  const alarms = await world.database.db
    .selectFrom('audit_events')
    .select('facts')
    .where('event', '=', 'security_events.stalled')
    .execute();
  expect(alarms).toHaveLength(1);
  expect(await verify('second')).toBe(202);
  world.advance(silentSeconds + 60);
  expect(await stalled()).toHaveLength(1);
});
