import { afterAll, beforeAll, expect, test } from 'vitest';
import { useProofOnce } from '../../src/oauth/proof-store.ts';
import { findRecord, saveRecord } from '../../src/oauth/record-store.ts';
import { sweepExpired } from '../../src/oauth/sweep-expired.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';

let database: FreshDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const now = new Date('2026-01-02T03:04:05Z');
const hoursAgo = (hours: number) => new Date(now.getTime() - hours * 3_600_000);

test('what expired more than an hour ago is deleted, everything else stays', async () => {
  const { db } = database;
  const payload = { kind: 'AuthorizationCode' };
  await saveRecord(db, { model: 'AuthorizationCode', id: 'old', payload, expiresAt: hoursAgo(2) });
  await saveRecord(db, { model: 'AuthorizationCode', id: 'late', payload, expiresAt: hoursAgo(0.5) });
  await saveRecord(db, { model: 'AuthorizationCode', id: 'ever', payload, expiresAt: null });
  await useProofOnce(db, { scope: 's', jti: 'old' }, hoursAgo(2));
  await useProofOnce(db, { scope: 's', jti: 'new' }, hoursAgo(-1));

  expect(await sweepExpired(db, now)).toBe(2);

  const left = await Promise.all(
    ['old', 'late', 'ever'].map((id) => findRecord(db, 'AuthorizationCode', id)),
  );
  expect(left.map((record) => record !== undefined)).toEqual([false, true, true]);
  expect(await useProofOnce(db, { scope: 's', jti: 'new' }, hoursAgo(-1))).toBe(false);
  expect(await useProofOnce(db, { scope: 's', jti: 'old' }, hoursAgo(-1))).toBe(true);
});
