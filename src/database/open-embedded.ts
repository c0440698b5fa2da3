import { Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import type { DatabaseHandle } from './database.ts';
import { reportingPool } from './reporting-pool.ts';
import type { Tables } from './rows.ts';

export interface EmbeddedOptions {
  /** Where the data lives; null keeps it in memory. */
  readonly folder: string | null;
  /** A dumped data folder to begin with, for memory or a folder that is still empty. */
  readonly template?: Blob;
}

/**
 * Opens Postgres inside this process (PGlite), for trying out: it never calls fsync, and two processes on one folder
 * destroy each other's writes, so the caller holds a lock on the folder. The package is loaded only here.
 */
export async function openEmbedded({ folder, template }: EmbeddedOptions): Promise<DatabaseHandle> {
  const { PGlite } = await import('@electric-sql/pglite');
  const { createPgConfig } = await import('@electric-sql/pglite/node-postgres');
  const lite = await PGlite.create({
    ...(folder === null ? {} : { dataDir: folder }),
    ...(template === undefined ? {} : { loadDataDir: template }),
  });
  // Behind `pg` the types and error codes are the same as with a server's. The one connection is never given up.
  const pool = new pg.Pool({ ...createPgConfig(lite), max: 1, idleTimeoutMillis: 0 } as pg.PoolConfig);
  pool.on('error', () => {});
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: reportingPool(pool) }) });
  return {
    db,
    kind: 'embedded',
    listen: async (channel, onMessage) => {
      const unsubscribe = lite.onNotification((name, payload) => {
        if (name === channel) onMessage(payload);
      });
      // Through `db` it waits for an open transaction; inside one a rollback would take the LISTEN back.
      await sql`listen ${sql.id(channel)}`.execute(db);
      return { close: async () => unsubscribe() };
    },
    close: async () => {
      await db.destroy();
      await lite.close();
    },
  };
}
