import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { inTransaction } from '../../src/database/transaction.ts';
import { revokeCertificates } from '../../src/revocation/revoke-certificates.ts';
import { pruneRevokedSerials, revokedSerials } from '../../src/revocation/revoked-serials.ts';
import { readStateVersion } from '../../src/revocation/state-version.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { createShop, type Shop } from '../inventory/shop.ts';
import { createCaKey, startedSession, storeCertificate } from '../sessions/login.ts';

const now = new Date('2026-06-01T12:00:00Z');
const minutes = (count: number) => new Date(now.getTime() + count * 60_000);

let database: FreshDatabase;
let shop: Shop;
let caKeyId: string;
beforeAll(async () => {
  database = await freshDatabase();
  await inTransaction(database.db, async (tx) => {
    shop = await createShop(tx, now);
    caKeyId = await createCaKey(tx);
  });
});
afterAll(() => database.close());

let sessionId: string;
let serial: bigint;
beforeEach(async () => {
  await inTransaction(database.db, async (tx) => {
    sessionId = await startedSession(tx, shop.accountId, now);
    serial = await storeCertificate(tx, { caKeyId, sessionId, validBefore: minutes(60) });
  });
});

const listed = async () => (await revokedSerials(database.db)).map((row) => row.serial);
const revoke = (scope: Parameters<typeof revokeCertificates>[1]) =>
  inTransaction(database.db, (tx) => revokeCertificates(tx, scope, 'test', now));

test("a session's certificates are revoked and no other's", async () => {
  const [second, others] = await inTransaction(database.db, async (tx) => [
    await storeCertificate(tx, { caKeyId, sessionId, validBefore: minutes(30) }),
    await storeCertificate(tx, {
      caKeyId,
      sessionId: await startedSession(tx, shop.accountId, now),
      validBefore: minutes(30),
    }),
  ]);
  const { version, serials } = await revoke({ sessionIds: [sessionId] });
  expect(serials).toEqual([serial, second]);
  expect(await readStateVersion(database.db)).toEqual({ version, krlVersion: version });
  expect(await listed()).toEqual(expect.arrayContaining([serial, second]));
  expect(await listed()).not.toContain(others);
});

test('a certificate whose end is less than an hour ago is revoked too: clocks differ', async () => {
  const [lately, longAgo] = await inTransaction(database.db, async (tx) => [
    await storeCertificate(tx, { caKeyId, sessionId, validBefore: minutes(-59) }),
    await storeCertificate(tx, { caKeyId, sessionId, validBefore: minutes(-61) }),
  ]);
  const { serials } = await revoke({ sessionIds: [sessionId] });
  expect(serials).toContain(lately);
  expect(serials).not.toContain(longAgo);
});

test("a companion's host certificates are revoked by the companion", async () => {
  const host = await inTransaction(database.db, (tx) =>
    storeCertificate(tx, { caKeyId, companionId: shop.gatewayId, validBefore: minutes(60) }),
  );
  expect((await revoke({ companionId: shop.gatewayId })).serials).toEqual([host]);
});

test('serials are revoked by name, those that were never issued not', async () => {
  expect((await revoke({ serials: [serial, 4_000_000_000_000_000_000n] })).serials).toEqual([serial]);
  expect((await revoke({ serials: [] })).serials).toEqual([]);
});

test('revoking again adds nothing', async () => {
  await revoke({ sessionIds: [sessionId] });
  const before = await listed();
  expect((await revoke({ sessionIds: [sessionId] })).serials).toEqual([]);
  expect(await listed()).toEqual(before);
});

test('each serial is listed under the CA key that signed it', async () => {
  await revoke({ sessionIds: [sessionId] });
  expect(await revokedSerials(database.db)).toContainEqual(expect.objectContaining({ caKeyId, serial }));
});

test('a serial over 2^53 is stored, revoked and listed digit by digit', async () => {
  const large = 9_007_199_254_740_993n;
  await inTransaction(database.db, async (tx) => {
    const row = await tx
      .selectFrom('certificates')
      .selectAll()
      .where('serial', '=', `${serial}`)
      .executeTakeFirstOrThrow();
    await tx
      .insertInto('certificates')
      .values({ ...row, serial: large, request_id: null, decision: '{}' })
      .execute();
  });
  expect((await revoke({ sessionIds: [sessionId] })).serials).toContain(large);
  expect(await listed()).toContain(large);
  expect(await listed()).not.toContain(large - 1n);
});

test('pruning forgets a serial an hour after its certificate ended, as a new version of the list', async () => {
  await revoke({ sessionIds: [sessionId] });
  const at = (time: Date) => inTransaction(database.db, (tx) => pruneRevokedSerials(tx, time));
  const before = await readStateVersion(database.db);
  await at(minutes(119));
  expect(await listed()).toContain(serial);
  expect(await at(minutes(120))).toBeGreaterThan(0);
  expect(await listed()).not.toContain(serial);
  expect((await readStateVersion(database.db)).krlVersion).toBeGreaterThan(before.krlVersion);
  const after = await readStateVersion(database.db);
  expect(await at(minutes(120))).toBe(0);
  expect(await readStateVersion(database.db)).toEqual(after);
});
