import { afterAll, beforeAll, expect, test } from 'vitest';
import { migrateToLatest } from '../../src/database/migrate.ts';
import { type FreshDatabase, freshDatabase } from './fresh-database.ts';

let database: FreshDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

test('a fresh database is migrated and has the one version row', async () => {
  const rows = await database.db.selectFrom('state_version').selectAll().execute();
  expect(rows).toEqual([{ id: true, version: '1', krl_version: '1' }]);
});

test('migrating again changes nothing', async () => {
  await migrateToLatest(database.db);
  expect(await database.db.selectFrom('state_version').selectAll().execute()).toHaveLength(1);
});
