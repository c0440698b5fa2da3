/** The numbered SQL files of migrations/, run in order, all in one transaction, each once. */
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Kysely, sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { Database, Tx } from './database.ts';
import { inTransaction } from './transaction.ts';

const migrationsFolder = join(import.meta.dirname, '..', '..', 'migrations');

/**
 * Brings the database to this version. Several processes may call it at once: one works, the others wait.
 * @throws settings_invalid if a newer version of Sallyport has migrated this database
 */
export async function migrateToLatest(db: Database): Promise<void> {
  const migrations = await readMigrations();
  await inTransaction(db, async (tx) => {
    await sql`set local statement_timeout = 0`.execute(tx);
    await sql`set local lock_timeout = 0`.execute(tx);
    await sql`select pg_advisory_xact_lock(hashtext('sallyport migrations'))`.execute(tx);
    await refuseNewerDatabase(tx, new Set(Object.keys(migrations)));
    const migrator = new Migrator({ db: tx, provider: { getMigrations: async () => migrations } });
    const { error } = await migrator.migrateToLatest();
    if (error !== undefined) throw error;
  });
}

async function readMigrations(): Promise<Record<string, Migration>> {
  const files = (await readdir(migrationsFolder)).filter((file) => /^[0-9]{4}_[a-z_]+\.sql$/.test(file));
  const migrations: Record<string, Migration> = {};
  for (const file of files.sort()) {
    const statements = await readFile(join(migrationsFolder, file), 'utf8');
    migrations[basename(file, '.sql')] = {
      up: (db) => runStatements(db, statements),
    };
  }
  return migrations;
}

/** In a savepoint: after a failure the migrator has a lock to give back, and Postgres would refuse that statement too. */
async function runStatements(db: Kysely<unknown>, statements: string): Promise<void> {
  await sql`savepoint migration`.execute(db);
  try {
    await sql.raw(statements).execute(db);
  } catch (error) {
    await sql`rollback to savepoint migration`.execute(db);
    throw error;
  }
}

/** Old code on a newer schema would write rows that the newer code takes for its own. */
async function refuseNewerDatabase(tx: Tx, known: ReadonlySet<string>): Promise<void> {
  const { rows: tables } = await sql<{ found: boolean }>`
    select to_regclass('kysely_migration') is not null as found`.execute(tx);
  if (tables[0]?.found !== true) return;
  const { rows } = await sql<{ name: string }>`select name from kysely_migration order by name`.execute(tx);
  const unknown = rows.map((row) => row.name).filter((name) => !known.has(name));
  if (unknown.length === 0) return;
  throw new SallyportError(
    'settings_invalid',
    `The database was migrated by a newer version of Sallyport (it has ${unknown.join(', ')}, this version ends ` +
      `at ${[...known].at(-1)}). Start that version or a later one, or point DATABASE_URL at another database.`,
  );
}
