import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Tx } from '../../src/database/database.ts';
import { inSnapshot, inTransaction } from '../../src/database/transaction.ts';
import { type FreshDatabase, freshDatabase, hasPostgres } from './fresh-database.ts';
import { signal } from './signal.ts';

describe.skipIf(!hasPostgres)('transactions on Postgres (needs postgresql)', () => {
  let database: FreshDatabase;
  beforeAll(async () => {
    database = await freshDatabase();
    const values = ['a', 'b'].map((slug) => ({ slug, name: '' }));
    await database.db.insertInto('organizations').values(values).execute();
  });
  afterAll(() => database.close());

  const rename = (tx: Tx, slug: string, name: string) =>
    tx.updateTable('organizations').set({ name }).where('slug', '=', slug).execute();

  /** Two transactions that take two rows in opposite order: Postgres ends one of them. */
  function deadlock(retries: number) {
    const arrived = [signal(), signal()] as const;
    const crossing = (mine: 0 | 1, first: string, second: string) =>
      inTransaction(
        database.db,
        async (tx) => {
          await rename(tx, first, `${mine}`);
          arrived[mine].fire();
          await arrived[mine === 0 ? 1 : 0].fired;
          await rename(tx, second, `${mine}`);
        },
        { retries },
      );
    return Promise.allSettled([crossing(0, 'a', 'b'), crossing(1, 'b', 'a')]);
  }

  test('a deadlock comes out as it is unless retries were asked for', async () => {
    const failed = (await deadlock(0)).filter((result) => result.status === 'rejected');
    expect(failed.map((result) => result.reason.code)).toEqual(['40P01']);
  });

  test('a deadlock is tried again when asked', async () => {
    const results = await deadlock(3);
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'fulfilled']);
  });

  test('a snapshot does not see what is committed after its first read', async () => {
    const names = (tx: Tx) => tx.selectFrom('organizations').select('name').orderBy('slug').execute();
    await inSnapshot(database.db, async (tx) => {
      const before = await names(tx);
      await inTransaction(database.db, (other) => rename(other, 'a', 'renamed meanwhile'));
      expect(await names(tx)).toEqual(before);
    });
  });
});
