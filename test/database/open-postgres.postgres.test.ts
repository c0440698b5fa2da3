import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { freshDatabase, hasPostgres } from './fresh-database.ts';

test.skipIf(!hasPostgres)(
  'no statement waits until Postgres has compiled it (needs postgresql)',
  async () => {
    const database = await freshDatabase();
    onTestFinished(() => database.close());
    const { rows } = await sql<{ jit: string }>`show jit`.execute(database.db);
    expect(rows).toEqual([{ jit: 'off' }]);
  },
);
