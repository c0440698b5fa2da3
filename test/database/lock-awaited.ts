import { sql } from 'kysely';
import type { Database } from '../../src/database/database.ts';

/** Resolves when some connection to this database waits for a lock: what it was to be kept from has begun. */
export async function lockAwaited(db: Database): Promise<void> {
  for (;;) {
    const { rows } = await sql`
      select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`.execute(db);
    if (rows.length > 0) return;
  }
}
