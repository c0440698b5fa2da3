/**
 * A server that can be killed without a process of its own: at one point among those where it touches the world (before
 * a statement is sent, while it runs, after its answer, before and after a signature, before a reply) its connections
 * break and no line of its code runs any more, as after a SIGKILL.
 */
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { Database } from '../../src/database/database.ts';
import { reportingPool } from '../../src/database/reporting-pool.ts';
import type { Tables } from '../../src/database/rows.ts';

export interface MortalServer {
  readonly db: Database;
  /** Passed on the way to the world: returns while it lives, never once it is dead. */
  passes(): Promise<void>;
  /** Resolves when it is dead. */
  readonly death: Promise<void>;
  readonly isDead: boolean;
  /** For one that has lived long enough. */
  close(): Promise<void>;
}

const never = new Promise<never>(() => {});

/** Dies at the `lifetime`th of these points. */
export function mortalServer(url: string, lifetime: number): MortalServer {
  const clients: pg.PoolClient[] = [];
  const { promise: death, resolve: die } = Promise.withResolvers<void>();
  let left = lifetime;
  let isDead = false;
  const pool = new pg.Pool({ connectionString: url, max: 3 });
  pool.on('error', () => {});
  pool.on('connect', (client) => {
    clients.push(client);
    client.on('error', () => {});
    const query = client.query.bind(client) as (...all: unknown[]) => Promise<unknown>;
    client.query = (async (...statement: unknown[]) => {
      await passes();
      const answer = query(...statement).catch((error) => (isDead ? never : Promise.reject(error)));
      await passes();
      const answered = await answer;
      await passes();
      return answered;
    }) as typeof client.query;
  });

  async function passes(): Promise<void> {
    if (isDead) return await never;
    left -= 1;
    if (left > 0) return;
    isDead = true;
    for (const client of clients)
      (client as unknown as { connection: pg.Connection }).connection.stream.destroy();
    die();
    return await never;
  }

  const reporting = reportingPool(pool);
  return {
    db: new Kysely<Tables>({
      dialect: new PostgresDialect({
        pool: { ...reporting, connect: () => (isDead ? never : reporting.connect()) },
      }),
    }),
    passes,
    death,
    get isDead() {
      return isDead;
    },
    close: () => pool.end(),
  };
}
