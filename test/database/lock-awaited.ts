import { sql } from 'kysely';
import type { Database } from '../../src/database/database.ts';

/** Resolves when so many connections to this database wait for a lock: what they were to be kept from has begun. */
export async function lockAwaited(db: Database, connections = 1): Promise<void> {
  for (;;) {
    const { rows } = await sql`
      select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`.execute(db);
    if (rows.length >= connections) return;
  }
}
