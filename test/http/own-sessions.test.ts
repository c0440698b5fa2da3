import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ownSessionsEnded, revocationReply, sessionList, sessionsEnded } from '../../src/api/sessions.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createOrganization } from '../../src/inventory/organization.ts';
import { startedSession } from '../sessions/login.ts';
import { startTestServer, type TestPerson, type TestServer } from './test-server.ts';

let server: TestServer;
let admin: TestPerson;
let stranger: TestPerson;
beforeAll(async () => {
  server = await startTestServer();
  admin = await server.person('admin', 'admin');
  await inTransaction(server.database.db, (tx) =>
    createOrganization(tx, { slug: 'other', name: 'Other', domains: ['other.example'] }),
  );
  stranger = await server.person('mallory', 'admin', { domain: 'other.example', organization: 'other' });
});
afterAll(() => server.close());

const code = (reply: { json(): { code: string }; statusCode: number }) => [
  reply.statusCode,
  reply.json().code,
];
const isLive = async (id: string) =>
  (
    await server.database.db
      .selectFrom('login_sessions')
      .select('ended_at')
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
  ).ended_at === null;
const another = (person: TestPerson, at = server.clock.now) =>
  inTransaction(server.database.db, (tx) => startedSession(tx, person.accountId, at));

describe('one’s own sessions', () => {
  test('are listed, and nobody else’s', async () => {
    const bob = await server.person('bob', null);
    const reply = await server.call('GET', '/v1/sessions/own', { as: bob });
    const ids = sessionList.parse(reply.json()).sessions.map(({ id }) => id);
    expect(ids.sort()).toEqual([bob.sessionId, bob.browserSessionId].sort());
  });

  test('end one by one; another’s is unknown', async () => {
    const carol = await server.person('carol', null);
    const path = `/v1/sessions/own/${carol.browserSessionId}/end`;
    expect(code(await server.call('POST', path, { as: admin }))).toEqual([404, 'not_found']);
    expect(await isLive(carol.browserSessionId)).toBe(true);
    const ended = revocationReply.parse((await server.call('POST', path, { as: carol })).json());
    expect(ended).toMatchObject({ session: carol.browserSessionId, account: carol.account, companions: [] });
    expect(await isLive(carol.browserSessionId)).toBe(false);
    expect(await isLive(carol.sessionId)).toBe(true);
  });

  test('end all but the one that asks, or that one too', async () => {
    const dave = await server.person('dave', null);
    const other = await another(dave);
    const path = '/v1/sessions/own/end';
    const others = await server.call('POST', path, { as: dave, body: { except_current: true } });
    expect(ownSessionsEnded.parse(others.json())).toMatchObject({ ended: 2 });
    expect([await isLive(other), await isLive(dave.browserSessionId)]).toEqual([false, false]);
    const all = await server.call('POST', path, { as: dave, body: { except_current: false } });
    expect(all.json()).toMatchObject({ ended: 1 });
    expect(code(await server.call('GET', '/v1/session', { as: dave }))).toEqual([401, 'session_ended']);
    expect(await isLive(admin.sessionId)).toBe(true);
    const unclear = await server.call('POST', path, { as: admin, body: {} });
    expect(code(unclear)).toEqual([400, 'request_malformed']);
  });
});

test('a page that reads itself anew keeps no session from being idle; a person who opens one does', async () => {
  const hanna = await server.person('hanna', null);
  const began = server.clock.now;
  await server.database.db
    .updateTable('login_sessions')
    .set({ idle_seconds: 600 })
    .where('id', '=', hanna.browserSessionId)
    .execute();
  const open = async (seconds: number, destination: string) => {
    server.clock.now = new Date(began.getTime() + seconds * 1000);
    const headers = { 'sec-fetch-dest': destination, 'sec-fetch-site': 'same-origin' };
    return (await server.call('GET', '/console/sessions', { cookie: hanna.cookie, headers })).statusCode;
  };
  expect(await open(500, 'document')).toBe(200);
  expect(await open(1_000, 'empty')).toBe(200);
  expect(await open(1_099, 'empty')).toBe(200);
  expect(await open(1_100, 'document')).toBe(303);
  server.clock.now = began;
});

describe('an admin ends', () => {
  test('everything of one account', async () => {
    const erin = await server.person('erin', null);
    const path = `/v1/accounts/${erin.account}/sessions/revoke`;
    expect(code(await server.call('POST', path, { as: erin }))).toEqual([403, 'forbidden']);
    expect(code(await server.call('POST', path, { as: stranger }))).toEqual([404, 'not_found']);
    const reply = await server.call('POST', path, { as: admin });
    expect(sessionsEnded.parse(reply.json())).toMatchObject({ ended: 2 });
    expect([await isLive(erin.sessionId), await isLive(erin.browserSessionId)]).toEqual([false, false]);
  });

  test('everything that began before a moment, in the own organization only', async () => {
    const frank = await server.person('frank', null);
    const began = server.clock.now;
    server.clock.now = new Date(began.getTime() + 60_000);
    const later = await server.person('gina', 'admin');
    const before = Math.floor(began.getTime() / 1000) + 30;
    const path = '/v1/sessions/revoke-before';
    expect(code(await server.call('POST', path, { as: frank, body: { before } }))).toEqual([
      403,
      'forbidden',
    ]);
    const future = { before: before + 3_600 };
    expect(code(await server.call('POST', path, { as: later, body: future }))).toEqual([
      400,
      'request_malformed',
    ]);
    const milliseconds = { before: before * 1000 };
    expect(code(await server.call('POST', path, { as: later, body: milliseconds }))).toEqual([
      400,
      'request_malformed',
    ]);
    const reply = await server.call('POST', path, { as: later, body: { before } });
    expect(sessionsEnded.parse(reply.json()).ended).toBeGreaterThan(2);
    expect([await isLive(frank.sessionId), await isLive(admin.sessionId)]).toEqual([false, false]);
    expect([await isLive(later.sessionId), await isLive(stranger.sessionId)]).toEqual([true, true]);
  });
});
