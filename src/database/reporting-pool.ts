/** A pool whose failures are ours: every query of Kysely passes here, so no connection error escapes unnamed. */
import type { PostgresPool, PostgresPoolClient } from 'kysely';
import type pg from 'pg';
import { asDatabaseError, databaseUnavailable } from './connection-failure.ts';

export function reportingPool(pool: pg.Pool): PostgresPool {
  return {
    options: pool.options,
    connect: async () => {
      const client = await pool.connect().catch((error) => {
        throw databaseUnavailable(error);
      });
      return reportingClient(client);
    },
    end: () => pool.end(),
  };
}

function reportingClient(client: pg.PoolClient): PostgresPoolClient {
  const query = (sql: string, parameters: readonly unknown[]) =>
    client.query(sql, [...parameters]).catch((error) => {
      throw asDatabaseError(error);
    });
  // The interface's other form, cursors, is for streams, which nothing here uses.
  return {
    query: query as unknown as PostgresPoolClient['query'],
    release: (destroy) => client.release(destroy),
  };
}
