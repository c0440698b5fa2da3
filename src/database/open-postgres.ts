import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { DatabaseHandle } from './database.ts';
import { listenOnPostgres } from './listen-on-postgres.ts';
import { reportingPool } from './reporting-pool.ts';
import type { Tables } from './rows.ts';

export interface PostgresOptions {
  /** `postgresql://...`, libpq's parameters after `?`. Never logged: it may hold a password. */
  readonly url: string;
  /** Connections at most; the listener's comes on top. */
  readonly poolSize?: number;
}

/**
 * Opens a pool on Postgres. Connects when first asked, so a database that is away shows as `database_unavailable`.
 * @throws settings_invalid if `url` is not one
 */
export async function openPostgres({ url, poolSize = 10 }: PostgresOptions): Promise<DatabaseHandle> {
  const connection: pg.ClientConfig = {
    connectionString: checkedUrl(url),
    application_name: 'sallyport',
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    connectionTimeoutMillis: 5_000,
  };
  const pool = new pg.Pool({
    ...connection,
    max: poolSize,
    // Where the planner takes one for large, Postgres would compile it: half a second each time, for milliseconds of work.
    options: '-c jit=off',
    // No statement of ours takes seconds; one that does holds locks that everybody waits for.
    statement_timeout: 30_000,
    lock_timeout: 10_000,
    idle_in_transaction_session_timeout: 60_000,
  });
  // Without these listeners a connection that dies, idle or between two statements of a transaction, ends the
  // process. The pool drops the connection; whoever uses it hears of it from their next query.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));

  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: reportingPool(pool) }) });
  return {
    db,
    kind: 'postgres',
    listen: (channel, onMessage) => listenOnPostgres(connection, channel, onMessage),
    close: async () => {
      await db.destroy();
      // Kysely ends the pool only if it was ever used.
      if (!pool.ending) await pool.end();
    },
  };
}

function checkedUrl(url: string): string {
  if (/^postgres(ql)?:\/\//.test(url) && URL.canParse(url)) return url;
  throw new SallyportError(
    'settings_invalid',
    'DATABASE_URL is not a Postgres URL, expected one such as postgresql://sallyport:PASSWORD@db.example.com/sallyport.',
  );
}
