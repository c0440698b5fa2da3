import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DatabaseHandle } from '../../src/database/database.ts';
import { openPostgres } from '../../src/database/open-postgres.ts';
import { inSnapshot, inTransaction } from '../../src/database/transaction.ts';
import { bumpStateVersion, readStateVersion } from '../../src/revocation/state-version.ts';
import { type FreshDatabase, freshDatabase, hasPostgres } from '../database/fresh-database.ts';

describe.skipIf(!hasPostgres)('state versions of two processes (needs postgresql)', () => {
  let first: FreshDatabase;
  let second: DatabaseHandle;
  beforeAll(async () => {
    first = await freshDatabase();
    second = await openPostgres({ url: String(first.url) });
  });
  afterAll(async () => {
    await second.close();
    await first.close();
  });

  const now = new Date('2026-06-01T12:00:00Z');

  test('100 bumps at once from two handles give 100 versions without a gap', async () => {
    const bumps = Array.from({ length: 100 }, (_, index) =>
      inTransaction((index % 2 === 0 ? first : second).db, (tx) => bumpStateVersion(tx, now, { krl: false })),
    );
    const versions = (await Promise.all(bumps)).sort((a, b) => (a < b ? -1 : 1));
    const start = BigInt(now.getTime());
    expect(versions).toEqual(Array.from({ length: 100 }, (_, index) => start + BigInt(index)));
  });

  test('versions become visible in order: a later one waits for an earlier one to commit', async () => {
    const order: string[] = [];
    let later: Promise<unknown> = Promise.resolve();
    await inTransaction(first.db, async (tx) => {
      const version = await bumpStateVersion(tx, now, { krl: false });
      later = inTransaction(second.db, (other) => bumpStateVersion(other, now, { krl: false })).then(
        (next) => {
          order.push('later');
          expect(next).toBe(version + 1n);
        },
      );
      // Committed, but without the uncommitted version: nobody reads a version before what it stands for.
      const read = await inSnapshot(second.db, (other) => readStateVersion(other));
      expect(read.version).toBeLessThan(version);
      order.push('earlier');
    });
    await later;
    expect(order).toEqual(['earlier', 'later']);
  });
});
