/** A migrated, empty database of one's own for a test file: a clone of the run's template. */
import { randomBytes } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { PGlite } from '@electric-sql/pglite';
import { createPgConfig } from '@electric-sql/pglite/node-postgres';
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { inject } from 'vitest';
import type { DatabaseHandle, Listener } from '../../src/database/database.ts';
import { migrateToLatest } from '../../src/database/migrate.ts';
import { openEmbedded } from '../../src/database/open-embedded.ts';
import { openPostgres } from '../../src/database/open-postgres.ts';
import type { Tables } from '../../src/database/rows.ts';
import { templateDatabase } from './global-setup.ts';

/** Whether Postgres is installed. Tests of races between connections need it. */
export const hasPostgres = inject('postgresUrl') !== null;

export interface FreshDatabase extends DatabaseHandle {
  /** For other processes and further handles; null on the embedded database. */
  readonly url: string | null;
}

/** `close()` drops it; call it in afterAll. */
export async function freshDatabase(): Promise<FreshDatabase> {
  const maintenanceUrl = inject('postgresUrl');
  if (maintenanceUrl === null || process.env['TEST_DATABASE'] === 'embedded') return freshEmbedded();
  const name = `test_${randomBytes(6).toString('hex')}`;
  await maintain(maintenanceUrl, `create database ${name} template ${templateDatabase}`);
  const url = maintenanceUrl.replace('/postgres?', `/${name}?`);
  const handle = await openPostgres({ url });
  const listeners: Listener[] = [];
  return {
    ...handle,
    url,
    listen: async (channel, onMessage) => {
      const listener = await handle.listen(channel, onMessage);
      listeners.push(listener);
      return listener;
    },
    close: async () => {
      // Whoever listens would try for ever to come back to a database that is no more.
      for (const listener of listeners) await listener.close();
      await handle.close();
      await maintain(maintenanceUrl, `drop database ${name} with (force)`);
    },
  };
}

/** An empty Postgres database without tables; null where Postgres is not installed. */
export async function emptyPostgres(): Promise<{ url: string; drop(): Promise<void> } | null> {
  const maintenanceUrl = inject('postgresUrl');
  if (maintenanceUrl === null) return null;
  const name = `test_${randomBytes(6).toString('hex')}`;
  await maintain(maintenanceUrl, `create database ${name}`);
  return {
    url: maintenanceUrl.replace('/postgres?', `/${name}?`),
    drop: () => maintain(maintenanceUrl, `drop database ${name} with (force)`),
  };
}

async function maintain(maintenanceUrl: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: maintenanceUrl });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

async function freshEmbedded(): Promise<FreshDatabase> {
  const handle = await openEmbedded({ folder: null, template: await embeddedTemplate() });
  return { ...handle, url: null };
}

/** The dump of a migrated database, made by the first test file that asks: initdb in WASM takes seconds. */
async function embeddedTemplate(): Promise<Blob> {
  const path = inject('embeddedTemplate');
  const found = await readFile(path).catch(() => undefined);
  if (found) return new Blob([found]);
  const lite = await PGlite.create();
  const pool = new pg.Pool({ ...createPgConfig(lite), idleTimeoutMillis: 0 } as pg.PoolConfig);
  await migrateToLatest(new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) }));
  const dump = await lite.dumpDataDir('none');
  await lite.close();
  // Two files may do this at once: each writes a whole file, the last one stays.
  const beside = `${path}.${process.pid}`;
  await writeFile(beside, dump.stream());
  await rename(beside, path);
  return dump;
}
