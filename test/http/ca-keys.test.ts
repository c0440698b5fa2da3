import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { caStatus, retireReply, rotateReply } from '../../src/api/ca-keys.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { startedSession } from '../sessions/login.ts';
import { startTestServer, type TestPerson, type TestServer } from './test-server.ts';

const patiently = { timeout: 30_000 };
let server: TestServer;
/** Whom the test server's settings name. */
let operator: TestPerson;
let withoutMfa: TestPerson;
let admin: TestPerson;

beforeAll(async () => {
  server = await startTestServer();
  operator = await server.person('olga', 'viewer');
  const sessionId = await inTransaction(server.database.db, (tx) =>
    startedSession(tx, operator.accountId, server.clock.now, { mfa: false }),
  );
  withoutMfa = { ...operator, sessionId };
  admin = await server.person('ada', 'admin');
});
afterAll(() => server.close());

const calls = [
  ['GET', '/v1/ca', undefined],
  ['POST', '/v1/ca/rotate', { purpose: 'hop' }],
  ['POST', '/v1/ca/retire', { purpose: 'hop', generation: 1, compromised: true }],
] as const;

describe.each(calls)('%s %s', (method, path, body) => {
  const ask = (as: TestPerson) => server.call(method, path, { as, ...(body && { body }) });

  test('is closed to admins whom the settings do not name', async () => {
    const reply = await ask(admin);
    expect([reply.statusCode, reply.json().code]).toEqual([403, 'forbidden']);
    expect(reply.json().detail).toContain('SALLYPORT_OPERATORS');
  });

  test('is closed to operators who are disabled, though their login lives on', async () => {
    const disable = (disabled_at: Date | null) =>
      server.database.db
        .updateTable('accounts')
        .set({ disabled_at })
        .where('id', '=', operator.accountId)
        .execute();
    await disable(server.clock.now);
    try {
      const reply = await ask(operator);
      expect([reply.statusCode, reply.json().code]).toEqual([403, 'forbidden']);
    } finally {
      await disable(null);
    }
  });

  test('is closed to operators whose login had no second factor', async () => {
    const reply = await ask(withoutMfa);
    expect([reply.statusCode, reply.json().code]).toEqual([401, 'insufficient_user_authentication']);
  });

  test('is closed to operators whose second factor is older than their organization allows', async () => {
    const { database, clock } = server;
    const allow = (mfa_max_age_seconds: number | null) =>
      database.db.updateTable('organizations').set({ mfa_max_age_seconds }).execute();
    const authTime = new Date(clock.now.getTime() - 3_600_000);
    const sessionId = await inTransaction(database.db, (tx) =>
      startedSession(tx, operator.accountId, clock.now, { authTime }),
    );
    await allow(1_800);
    try {
      const reply = await ask({ ...operator, sessionId });
      expect([reply.statusCode, reply.json().code]).toEqual([401, 'insufficient_user_authentication']);
    } finally {
      await allow(null);
    }
  });
});

test('an operator sees every generation, makes the next, lets it sign and ends it', async () => {
  const read = async () => {
    const reply = await server.call('GET', '/v1/ca', { as: operator });
    return caStatus
      .parse(reply.json())
      .keys.map(({ purpose, generation, state }) => [purpose, generation, state]);
  };
  const post = (path: string, body: object) => server.call('POST', path, { as: operator, body });
  expect(await read()).toEqual([
    ['user', 1, 'active'],
    ['host', 1, 'active'],
    ['hop', 1, 'active'],
  ]);
  const made = rotateReply.parse((await post('/v1/ca/rotate', { purpose: 'hop' })).json());
  expect(made).toMatchObject({ did: 'created', purpose: 'hop', generation: 2 });
  await expect
    .poll(async () => (await post('/v1/ca/rotate', { purpose: 'hop' })).json().did, patiently)
    .toBe('activated');
  const refused = await post('/v1/ca/retire', { purpose: 'hop', generation: 1 });
  expect([refused.statusCode, refused.json().code]).toEqual([409, 'ca_key_refused']);
  const ended = await post('/v1/ca/retire', { purpose: 'hop', generation: 2, compromised: true });
  expect(retireReply.parse(ended.json())).toEqual({
    purpose: 'hop',
    generation: 2,
    compromised: true,
    replaced_by: 3,
  });
  expect((await read()).slice(2)).toEqual([
    ['hop', 1, 'retiring'],
    ['hop', 2, 'retired'],
    ['hop', 3, 'active'],
  ]);

  const { facts } = await server.database.db
    .selectFrom('audit_events')
    .select('facts')
    .where('event', '=', 'ca_key.compromised')
    .executeTakeFirstOrThrow();
  expect(facts).toMatchObject({ by: operator.account });
});

test.each([
  ['an unknown purpose', '/v1/ca/rotate', { purpose: 'people' }],
  ['a generation that is none', '/v1/ca/retire', { purpose: 'user', generation: 0 }],
  ['a member that it does not know', '/v1/ca/rotate', { purpose: 'user', force: true }],
])('a request with %s is refused', async (_what, path, body) => {
  const reply = await server.call('POST', path, { as: operator, body });
  expect([reply.statusCode, reply.json().code]).toEqual([400, 'request_malformed']);
});
