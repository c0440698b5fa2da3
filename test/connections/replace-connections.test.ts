import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { replaceConnections } from '../../src/connections/replace-connections.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createCompanion } from '../../src/inventory/companion.ts';
import { revokeCompanion } from '../../src/inventory/revoke-companion.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { sessionDocument } from '../../src/sessions/session-documents.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { createShop, type Shop } from '../inventory/shop.ts';
import { startedSession } from '../sessions/login.ts';

const now = new Date('2027-01-15T08:00:00Z');
let database: FreshDatabase;
let shop: Shop;
let other: Shop;
let sessionId: string;

beforeAll(async () => {
  database = await freshDatabase();
  shop = await inTransaction(database.db, (tx) => createShop(tx, now));
  other = await inTransaction(database.db, (tx) =>
    createShop(tx, now, { organization: 'other', domain: 'other.example', project: 'mine', gateway: 'far' }),
  );
});
beforeEach(async () => {
  sessionId = await inTransaction(database.db, (tx) => startedSession(tx, shop.accountId, now));
});
afterAll(() => database.close());

const connection = (pid: number, session_id = sessionId) => ({
  key: `boot:${pid}:1`,
  account: 'alice@example.com',
  session_id,
  serial: '7',
  target: 'shop-production--web',
  started_at: Math.floor(now.getTime() / 1000) - 5,
});
const report = (connections: ReturnType<typeof connection>[], companionId = shop.gatewayId) =>
  inTransaction(database.db, (tx) => replaceConnections(tx, companionId, { connections }, now));
const liveOf = async (id: string) => (await sessionDocument(database.db, id, now)).connections;
const eventsOf = async (id: string) => {
  const rows = await database.db
    .selectFrom('audit_events')
    .select(['event', 'facts'])
    .where('session_id', '=', id)
    .where('event', 'like', 'connection.%')
    .orderBy('id')
    .execute();
  return rows.map(({ event, facts }) => [event, (facts as { reason?: string }).reason ?? null]);
};

test('a report is the whole truth: new connections live, those left out have ended', async () => {
  await report([connection(1), connection(2)]);
  expect(await liveOf(sessionId)).toBe(2);
  await report([connection(2), connection(3)]);
  expect(await liveOf(sessionId)).toBe(2);
  await report([]);
  expect(await liveOf(sessionId)).toBe(0);
  const events = await eventsOf(sessionId);
  expect(events.filter(([event]) => event === 'connection.started')).toHaveLength(3);
  expect(events.filter(([event]) => event === 'connection.ended')).toHaveLength(3);
});

test('the same report twice changes nothing', async () => {
  await report([connection(11)]);
  await report([connection(11)]);
  expect(await liveOf(sessionId)).toBe(1);
  expect(await eventsOf(sessionId)).toEqual([['connection.started', null]]);
});

test('two companions do not touch each other’s connections', async () => {
  await report([connection(21)]);
  await report([], other.gatewayId);
  expect(await liveOf(sessionId)).toBe(1);
});

test('a companion speaks for sessions of its own organization only', async () => {
  // The session lives, and the answer is that of a session that there is not.
  expect(await report([connection(31)], other.gatewayId)).toEqual([sessionId]);
  expect(await liveOf(sessionId)).toBe(0);
  expect(await eventsOf(sessionId)).toEqual([]);
});

test('a companion can’t name another account than the session’s', async () => {
  const forged = { ...connection(32), account: 'mallory@example.com' };
  expect(await report([forged])).toEqual([sessionId]);
  expect(await liveOf(sessionId)).toBe(0);
  expect(await eventsOf(sessionId)).toEqual([]);
  expect(await report([connection(33)])).toEqual([]);
});

test('sessions that have ended are named, and their connections’ end says why', async () => {
  await report([connection(41)]);
  await inTransaction(database.db, (tx) => endSession(tx, { sessionId, reason: 'revoked', by: 'test' }, now));
  expect(await report([connection(41)])).toEqual([sessionId]);
  await report([]);
  expect(await eventsOf(sessionId)).toContainEqual(['connection.ended', 'session ended']);
});

test('a session that the server does not know is named as ended', async () => {
  const forgotten = '00000000-0000-4000-8000-000000000001';
  expect(await report([connection(51, forgotten)])).toEqual([forgotten]);
});

test('a connection that is found again lives again', async () => {
  await report([connection(61)]);
  await report([]);
  await report([connection(61)]);
  expect(await liveOf(sessionId)).toBe(1);
});

test('one that is found again where it has gone on to meanwhile is told of once', async () => {
  const menu = { ...connection(62), target: null, way: 'menu' as const };
  const refused = { ...connection(62), way: 'refusal' as const };
  for (const connections of [[menu], [], [refused], [refused]]) {
    await inTransaction(database.db, (tx) => replaceConnections(tx, shop.gatewayId, { connections }, now));
  }
  expect(await rowOf(menu.key)).toMatchObject({ way: 'refusal', target_name: 'shop-production--web' });
  expect(await eventsOf(sessionId)).toEqual([
    ['connection.started', null],
    ['connection.ended', 'closed'],
    ['connection.refused', null],
  ]);
});

test('a companion’s connections count as ended when it is revoked, and it can’t bring them back', async () => {
  const gone = await inTransaction(database.db, async (tx) => {
    const { organizationId, environmentId } = shop;
    return await createCompanion(tx, {
      organizationId,
      kind: 'gateway',
      name: 'gone',
      address: '192.0.2.9',
      port: 22,
      gatewayLogin: null,
      environmentIds: [environmentId],
    });
  });
  await report([connection(71)]);
  await report([connection(92)], gone);
  expect(await liveOf(sessionId)).toBe(2);
  await inTransaction(database.db, (tx) => revokeCompanion(tx, { companionId: gone, by: 'test' }, now));
  expect(await liveOf(sessionId)).toBe(1);
  expect(await eventsOf(sessionId)).toContainEqual(['connection.ended', 'companion revoked']);
  // Its credential was looked up just before.
  await expect(report([connection(92)], gone)).rejects.toMatchObject({ code: 'token_invalid' });
  expect(await liveOf(sessionId)).toBe(1);
});

test('why a companion ended a connection is kept, and which way it went and from where', async () => {
  const jump = { ...connection(91), way: 'jump' as const, client_address: '192.0.2.77' };
  await inTransaction(database.db, (tx) =>
    replaceConnections(tx, shop.gatewayId, { connections: [jump] }, now),
  );
  const ended = [{ key: jump.key, reason: 'too_long' as const }];
  await inTransaction(database.db, (tx) =>
    replaceConnections(tx, shop.gatewayId, { connections: [], ended }, now),
  );
  const row = await rowOf(jump.key);
  expect(row).toMatchObject({ way: 'jump', client_address: '192.0.2.77', end_reason: 'too long' });
  expect(await eventsOf(sessionId)).toContainEqual(['connection.ended', 'too long']);
});

test('somebody who goes on from a menu to a target is a connection to it, and that is an event of its own', async () => {
  const menu = { ...connection(92), target: null, way: 'menu' as const };
  const relayed = { ...connection(92), way: 'relay' as const };
  for (const one of [menu, relayed, relayed]) {
    await inTransaction(database.db, (tx) =>
      replaceConnections(tx, shop.gatewayId, { connections: [one] }, now),
    );
  }
  expect(await rowOf(menu.key)).toMatchObject({ way: 'relay', target_name: 'shop-production--web' });
  expect(await liveOf(sessionId)).toBe(1);
  expect(await eventsOf(sessionId)).toEqual([
    ['connection.started', null],
    ['connection.started', null],
  ]);
});

test('[seeds 20] who came, who was refused and who went are events with person, session, serial, target and address', async () => {
  const address = '192.0.2.77';
  const [allowed, denied] = (['jump', 'refusal'] as const).map((way, at) => ({
    ...connection(95 + at),
    way,
    client_address: address,
  }));
  const steps = [[allowed, denied], []].map((connections) => connections.filter((one) => one !== undefined));
  for (const connections of steps) {
    await inTransaction(database.db, (tx) => replaceConnections(tx, shop.gatewayId, { connections }, now));
  }
  const rows = await database.db
    .selectFrom('audit_events')
    .select(['event', 'facts', 'session_id'])
    .where('session_id', '=', sessionId)
    .where('event', 'like', 'connection.%')
    .orderBy('id')
    .execute();
  // With the account the session makes the certificate's key id.
  const common = {
    companion: 'gate',
    account: 'alice@example.com',
    serial: '7',
    target: 'shop-production--web',
  };
  const started = { ...common, client_address: address };
  expect(rows).toMatchObject([
    { event: 'connection.started', session_id: sessionId, facts: { ...started, way: 'jump' } },
    { event: 'connection.refused', session_id: sessionId, facts: started },
    { event: 'connection.ended', facts: { ...common, reason: 'closed' } },
    { event: 'connection.ended', facts: { ...common, reason: 'closed' } },
  ]);
});

function rowOf(key: string) {
  return database.db
    .selectFrom('connections')
    .selectAll()
    .where('companion_id', '=', shop.gatewayId)
    .where('connection_key', '=', key)
    .executeTakeFirstOrThrow();
}
