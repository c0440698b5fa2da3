/** Which sessions' connections must go. */
import type { Database } from '../database/database.ts';
import { isUuid } from '../database/uuid.ts';
import { unexpiredAt } from './liveness.ts';

/** Ids of the sessions ended at or after `since`, oldest first. */
export async function endedSessions(db: Database, since: Date): Promise<string[]> {
  const rows = await db
    .selectFrom('login_sessions')
    .select('id')
    .where('ended_at', '>=', since)
    .orderBy('ended_at')
    .orderBy('id')
    .execute();
  return rows.map((row) => row.id);
}

/**
 * Those of `ids` that are not live: ended, unknown (a restored database may have forgotten a session, and nobody could
 * end it then), or, with `now`, expired or idle for too long.
 */
export async function endedAmong(db: Database, ids: readonly string[], now?: Date): Promise<string[]> {
  const asked = [...new Set(ids)];
  const known = asked.filter(isUuid);
  if (known.length === 0) return asked;
  let query = db
    .selectFrom('login_sessions')
    .select('id')
    .where('id', 'in', known)
    .where('ended_at', 'is', null);
  if (now !== undefined) query = query.where(unexpiredAt(now));
  const live = new Set((await query.execute()).map((row) => row.id));
  return asked.filter((id) => !live.has(id));
}
