import { afterAll, beforeAll, expect, test } from 'vitest';
import { sessionDocument as schema } from '../../src/api/sessions.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { listSessions, sessionDocument } from '../../src/sessions/session-documents.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { createShop, type Shop } from '../inventory/shop.ts';
import { createCaKey, startedSession, storeCertificate } from './login.ts';

const now = new Date('2026-06-01T12:00:00Z');
const minutes = (count: number) => new Date(now.getTime() + count * 60_000);
const unix = (time: Date) => time.getTime() / 1000;

let database: FreshDatabase;
let shop: Shop;
let other: Shop;
let first: string;
let second: string;
let ended: string;
let elsewhere: string;
beforeAll(async () => {
  database = await freshDatabase();
  await inTransaction(database.db, async (tx) => {
    shop = await createShop(tx, now);
    other = await createShop(tx, now, {
      organization: 'other',
      domain: 'other.example',
      project: 'elsewhere',
      gateway: 'other-gate',
    });
    const caKeyId = await createCaKey(tx);
    first = await startedSession(tx, shop.accountId, now);
    second = await startedSession(tx, shop.accountId, minutes(1), { kind: 'browser', amr: [], mfa: false });
    ended = await startedSession(tx, shop.accountId, minutes(2));
    elsewhere = await startedSession(tx, other.accountId, now);
    await startedSession(tx, shop.accountId, now, { expiresAt: minutes(3) });
    for (const validBefore of [minutes(4), minutes(60), minutes(61)]) {
      await storeCertificate(tx, { caKeyId, sessionId: first, validBefore });
    }
    await storeCertificate(tx, { caKeyId, sessionId: ended, validBefore: minutes(60) });
    for (const [key, end] of [
      ['boot:1:1', null],
      ['boot:2:2', null],
      ['boot:3:3', minutes(3)],
    ] as const) {
      await tx
        .insertInto('connections')
        .values({
          companion_id: shop.gatewayId,
          connection_key: key,
          account_name: 'alice@example.com',
          session_id: first,
          serial: 1n,
          started_at: now,
          ended_at: end,
        })
        .execute();
    }
    await endSession(tx, { sessionId: ended, reason: 'revoked', by: 'admin@example.com' }, minutes(3));
  });
});
afterAll(() => database.close());

test('a session is described with its live connections and usable certificates', async () => {
  expect(await sessionDocument(database.db, first, minutes(5))).toEqual({
    id: first,
    account: 'alice@example.com',
    kind: 'helper',
    provider: null,
    mfa: true,
    mfa_by: 'provider',
    mfa_time: unix(now),
    amr: ['pwd', 'otp'],
    auth_time: unix(now),
    created_at: unix(now),
    last_used_at: unix(now),
    expires_at: unix(minutes(720)),
    idle_ends_at: null,
    ended_at: null,
    ended_reason: null,
    client_address: '192.0.2.7',
    client_name: 'laptop',
    credential_id: null,
    connections: 2,
    certificates: 2,
  });
});

test('an ended session has no usable certificates', async () => {
  expect(await sessionDocument(database.db, ended, minutes(5))).toMatchObject({
    ended_at: unix(minutes(3)),
    ended_reason: 'revoked',
    certificates: 0,
  });
});

test('every document is one of the API', async () => {
  for (const document of await listSessions(database.db, { accountId: shop.accountId }, minutes(5))) {
    expect(schema.parse(document)).toEqual(document);
  }
});

test("an organization's list has its live sessions, the newest first, then those that ended lately", async () => {
  const ids = async (time: Date) =>
    (await listSessions(database.db, { organizationId: shop.organizationId }, time)).map(
      (session) => session.id,
    );
  expect(await ids(minutes(5))).toEqual([second, first, ended]);
});

test('a session that has expired stays in the list while it has live connections, so that it can be ended', async () => {
  const tomorrow = await listSessions(
    database.db,
    { organizationId: shop.organizationId },
    minutes(3 + 24 * 60),
  );
  expect(tomorrow.map(({ id, connections }) => [id, connections])).toEqual([[first, 2]]);
});

test("a person's list has nobody else's sessions", async () => {
  const list = await listSessions(database.db, { accountId: other.accountId }, minutes(5));
  expect(list.map((session) => session.id)).toEqual([elsewhere]);
});

test.each(['00000000-0000-4000-8000-000000000000', 'x'])('the session %s is not found', async (id) => {
  await expect(sessionDocument(database.db, id, now)).rejects.toMatchObject({ code: 'not_found' });
});
