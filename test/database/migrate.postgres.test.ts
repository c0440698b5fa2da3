import { describe, expect, onTestFinished, test } from 'vitest';
import { migrateToLatest } from '../../src/database/migrate.ts';
import { openPostgres } from '../../src/database/open-postgres.ts';
import { emptyPostgres, hasPostgres } from './fresh-database.ts';

describe.skipIf(!hasPostgres)('migrating on Postgres (needs postgresql)', () => {
  test('five processes that start at once on an empty database migrate it once', async () => {
    const empty = await emptyPostgres();
    if (empty === null) return expect.fail('Postgres is not installed');
    onTestFinished(() => empty.drop());
    const handles = await Promise.all(Array.from({ length: 5 }, () => openPostgres({ url: empty.url })));
    onTestFinished(async () => void (await Promise.all(handles.map((handle) => handle.close()))));
    await Promise.all(handles.map((handle) => migrateToLatest(handle.db)));
    for (const { db } of handles) {
      expect(await db.selectFrom('state_version').selectAll().execute()).toHaveLength(1);
    }
  });
});
