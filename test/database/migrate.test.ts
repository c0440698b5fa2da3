import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { migrateToLatest } from '../../src/database/migrate.ts';
import { type FreshDatabase, freshDatabase } from './fresh-database.ts';

let database: FreshDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

test('a migrated database has its one version row', async () => {
  const rows = await database.db
    .selectFrom('state_version')
    .select(['id', 'version', 'krl_version'])
    .execute();
  expect(rows).toEqual([{ id: true, version: '1', krl_version: '1' }]);
});

test('migrating again changes nothing', async () => {
  const before = await database.db.introspection.getTables();
  await migrateToLatest(database.db);
  expect(await database.db.introspection.getTables()).toEqual(before);
  expect(await database.db.selectFrom('state_version').selectAll().execute()).toHaveLength(1);
});

test('every table says what it is', async () => {
  const { rows } = await sql<{ name: string }>`
    select relname as name from pg_class
    where relkind = 'r' and relnamespace = 'public'::regnamespace and relname not like 'kysely%'
      and obj_description(oid, 'pg_class') is null`.execute(database.db);
  expect(rows).toEqual([]);
});

test('every constraint has a name of ours', async () => {
  const { rows } = await sql<{ name: string }>`
    select conname as name from pg_constraint
    where connamespace = 'public'::regnamespace and conrelid <> 0 and contype <> 'n'
      and conrelid::regclass::text not like 'kysely%'
      and conname !~ '_(pkey|key|fkey|check)$'`.execute(database.db);
  expect(rows).toEqual([]);
});

test('a database that newer code has migrated is refused, and left as it was', async () => {
  const applied = sql`select name from kysely_migration`;
  const { rows: before } = await applied.execute(database.db);
  await sql`insert into kysely_migration (name, timestamp) values ('9999_from_the_future', '2999-01-01T00:00:00.000Z')`.execute(
    database.db,
  );
  await expect(migrateToLatest(database.db)).rejects.toMatchObject({
    code: 'settings_invalid',
    message: expect.stringContaining('9999_from_the_future'),
  });
  const { rows } = await applied.execute(database.db);
  expect(rows).toHaveLength(before.length + 1);
});
