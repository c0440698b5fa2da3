import { afterAll, beforeAll, expect, test } from 'vitest';
import { stateChannel } from '../../src/database/notify.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { bumpStateVersion, readStateVersion } from '../../src/revocation/state-version.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';

let database: FreshDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const now = new Date('2026-06-01T12:00:00Z');
const bump = (at: Date, krl: boolean) =>
  inTransaction(database.db, (tx) => bumpStateVersion(tx, at, { krl }));

test('the version is at least unix milliseconds, and grows by one when the clock stands or goes back', async () => {
  const first = await bump(now, false);
  expect(first).toBe(BigInt(now.getTime()));
  expect(await bump(now, false)).toBe(first + 1n);
  expect(await bump(new Date(0), false)).toBe(first + 2n);
  expect(await bump(new Date(now.getTime() + 60_000), false)).toBe(first + 60_000n);
});

test('the version of the revocation list moves only when the list does', async () => {
  const before = await readStateVersion(database.db);
  await bump(now, false);
  expect((await readStateVersion(database.db)).krlVersion).toBe(before.krlVersion);
  const version = await bump(now, true);
  expect(await readStateVersion(database.db)).toEqual({ version, krlVersion: version });
});

test('listeners hear the new version', async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const listener = await database.listen(stateChannel, resolve);
  const version = await bump(now, false);
  expect(await promise).toBe(`${version}`);
  await listener.close();
});

test('a transaction that rolls back makes no version', async () => {
  const before = await readStateVersion(database.db);
  const work = inTransaction(database.db, async (tx) => {
    await bumpStateVersion(tx, now, { krl: true });
    throw new Error('stop');
  });
  await expect(work).rejects.toThrow('stop');
  expect(await readStateVersion(database.db)).toEqual(before);
});
