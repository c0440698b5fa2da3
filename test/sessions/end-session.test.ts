import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { stateChannel } from '../../src/database/notify.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { revokedSerials } from '../../src/revocation/revoked-serials.ts';
import { readStateVersion } from '../../src/revocation/state-version.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { createShop, type Shop } from '../inventory/shop.ts';
import { createCaKey, startedSession, storeCertificate } from './login.ts';

const now = new Date('2026-06-01T12:00:00Z');
const inAnHour = new Date(now.getTime() + 3_600_000);

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
let serials: bigint[];
let grantId: string;
beforeEach(async () => {
  grantId = crypto.randomUUID();
  await inTransaction(database.db, async (tx) => {
    sessionId = await startedSession(tx, shop.accountId, now, { grantId });
    serials = [];
    for (let count = 0; count < 3; count += 1) {
      serials.push(await storeCertificate(tx, { caKeyId, sessionId, validBefore: inAnHour }));
    }
    for (const [id, grant] of [
      [`refresh of ${grantId}`, grantId],
      [`grant of ${grantId}`, grantId],
      [`other of ${grantId}`, `other-${grantId}`],
    ] as const) {
      await tx
        .insertInto('oauth_records')
        .values({ model: 'RefreshToken', id, payload: '{}', grant_id: grant, expires_at: inAnHour })
        .execute();
    }
  });
});

const end = (at = now) =>
  inTransaction(database.db, (tx) =>
    endSession(tx, { sessionId, reason: 'revoked', by: 'admin@example.com' }, at),
  );
const row = () =>
  database.db.selectFrom('login_sessions').selectAll().where('id', '=', sessionId).executeTakeFirstOrThrow();
const recordsLeft = async () =>
  (
    await database.db
      .selectFrom('oauth_records')
      .select('id')
      .where('id', 'like', `%${grantId}`)
      .orderBy('id')
      .execute()
  ).map((record) => record.id);

test('ending a session revokes its certificates, deletes its tokens and marks it, in one version', async () => {
  const { version, certificatesRevoked } = await end();
  expect(certificatesRevoked).toBe(3);
  const revoked = (await revokedSerials(database.db)).map((entry) => entry.serial);
  expect(revoked).toEqual(expect.arrayContaining(serials));
  expect(await recordsLeft()).toEqual([`other of ${grantId}`]);
  expect(await row()).toMatchObject({
    ended_at: now,
    ended_reason: 'revoked',
    ended_by: 'admin@example.com',
    ended_version: `${version}`,
  });
  expect(await readStateVersion(database.db)).toEqual({ version, krlVersion: version });
});

test('ending a session is on record with who, why and how much', async () => {
  const { version } = await end();
  const event = await database.db
    .selectFrom('audit_events')
    .select(['event', 'organization_id', 'account_id', 'facts'])
    .where('session_id', '=', sessionId)
    .orderBy('id', 'desc')
    .executeTakeFirstOrThrow();
  expect(event).toEqual({
    event: 'session.ended',
    organization_id: shop.organizationId,
    account_id: shop.accountId,
    facts: { reason: 'revoked', by: 'admin@example.com', version: `${version}`, certificates_revoked: 3 },
  });
});

test('ending it again changes nothing and answers the same', async () => {
  const first = await end();
  const before = await row();
  expect(await end(inAnHour)).toEqual(first);
  expect(await row()).toEqual(before);
  expect((await readStateVersion(database.db)).version).toBe(first.version);
});

test('listeners hear the version that carries the end', async () => {
  const heard: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const listener = await database.listen(stateChannel, (payload) => {
    heard.push(payload);
    resolve();
  });
  const { version } = await end();
  await promise;
  expect(heard).toEqual([`${version}`]);
  await listener.close();
});

test('an end that can not be committed leaves everything as it was', async () => {
  const before = await readStateVersion(database.db);
  const work = inTransaction(database.db, async (tx) => {
    await endSession(tx, { sessionId, reason: 'revoked', by: 'system' }, now);
    throw new Error('stop');
  });
  await expect(work).rejects.toThrow('stop');
  expect((await row()).ended_at).toBeNull();
  expect(await recordsLeft()).toHaveLength(3);
  expect(await readStateVersion(database.db)).toEqual(before);
});

test('a session that never was is not found', async () => {
  for (const unknown of ['00000000-0000-4000-8000-000000000000', 'x', '']) {
    const work = inTransaction(database.db, (tx) =>
      endSession(tx, { sessionId: unknown, reason: 'revoked', by: 'system' }, now),
    );
    await expect(work).rejects.toMatchObject({ code: 'not_found' });
  }
});
