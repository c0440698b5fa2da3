import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { endOutlivedSessions } from '../../src/connections/end-outlived.ts';
import { replaceConnections } from '../../src/connections/replace-connections.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { createShop, type Shop } from '../inventory/shop.ts';
import { startedSession } from '../sessions/login.ts';

const now = new Date('2027-01-15T08:00:00Z');
const nextWeek = new Date('2027-01-22T08:00:00Z');
let database: FreshDatabase;
let shop: Shop;
let sessionId: string;

beforeAll(async () => {
  database = await freshDatabase();
  shop = await inTransaction(database.db, (tx) => createShop(tx, now));
});
beforeEach(async () => {
  sessionId = await inTransaction(database.db, (tx) => startedSession(tx, shop.accountId, now));
  await limit({ mfa_max_age_seconds: 900, max_connection_seconds: null });
  const connection = {
    key: 'boot:1:1',
    account: 'alice@example.com',
    session_id: sessionId,
    serial: '7',
    target: 'shop-production--web',
    started_at: Math.floor(now.getTime() / 1000),
  };
  await inTransaction(database.db, async (tx) => {
    await replaceConnections(tx, shop.gatewayId, { connections: [] }, now);
    await tx.deleteFrom('connections').execute();
    await replaceConnections(tx, shop.gatewayId, { connections: [connection] }, now);
  });
});
afterAll(() => database.close());

const limit = (columns: { mfa_max_age_seconds: number | null; max_connection_seconds: number | null }) =>
  database.db.updateTable('environments').set(columns).where('id', '=', shop.environmentId).execute();

test('an expired session ends, where the age of the second factor counts, once', async () => {
  expect(await endOutlivedSessions(database.db, now)).toBe(0);
  expect(await endOutlivedSessions(database.db, nextWeek)).toBe(1);
  expect(await endOutlivedSessions(database.db, nextWeek)).toBe(0);
  const { facts } = await database.db
    .selectFrom('audit_events')
    .select('facts')
    .where('event', '=', 'session.ended')
    .where('session_id', '=', sessionId)
    .executeTakeFirstOrThrow();
  expect(facts).toMatchObject({ reason: 'expired', by: 'sweep' });
});

test.each([
  ['no age counts', { mfa_max_age_seconds: null, max_connection_seconds: null }],
  ['connections have a longest time of their own', { mfa_max_age_seconds: 900, max_connection_seconds: 60 }],
])('it does not where %s', async (_, columns) => {
  await limit(columns);
  expect(await endOutlivedSessions(database.db, nextWeek)).toBe(0);
});

test('nor without a connection that runs', async () => {
  await inTransaction(database.db, (tx) => replaceConnections(tx, shop.gatewayId, { connections: [] }, now));
  expect(await endOutlivedSessions(database.db, nextWeek)).toBe(0);
});
