import { sql } from 'kysely';
import type { Tx } from '../database/database.ts';
import { isUuid } from '../database/uuid.ts';
import { isLive } from './liveness.ts';
import { type Session, type SessionRow, sessionColumns, sessionEnded, sessionOf } from './session.ts';
import { touchSession } from './touch-session.ts';

/**
 * Locks a live session. 'share': it can't be ended before this transaction is over, so
 * what is stored meanwhile is seen by whoever ends it. 'update': nobody else does anything in its name.
 *
 * Not even 'share' is Postgres' FOR SHARE: there a newcomer joins those who hold the lock and passes by who waits for
 * it, so a client that never stops asking could keep its session from ever being ended. Here everybody waits in line.
 * @throws session_ended, also if it never was
 */
export async function lockLiveSession(
  tx: Tx,
  sessionId: string,
  lock: 'share' | 'update',
  now: Date,
): Promise<Session> {
  if (!isUuid(sessionId)) throw sessionEnded();
  const query = tx.selectFrom('login_sessions').select(sessionColumns).where('id', '=', sessionId);
  const row = await (lock === 'share' ? query.forNoKeyUpdate() : query.forUpdate()).executeTakeFirst();
  if (row === undefined || !isLive(row, now)) throw sessionEnded();
  return await used(tx, row, now);
}

/** Whatever locks a live session acts in its name, so it is not idle. Written only where that is asked about. */
async function used(tx: Tx, row: SessionRow, now: Date): Promise<Session> {
  if (row.idle_seconds === null || !(await touchSession(tx, row.id, now))) return sessionOf(row);
  return sessionOf({ ...row, last_used_at: now });
}

/** A session that was locked and is live; ended, expired or unknown; or held by somebody else just now. */
export type LockedSession = Session | 'ended' | 'held';

/**
 * Locks many sessions as lockLiveSession() does with 'share', in one statement. Those that somebody else holds are
 * passed over unless it may wait: whoever has locked many must not keep all of them locked while it waits for one.
 */
export async function lockLiveSessions(
  tx: Tx,
  sessionIds: readonly string[],
  { mayWait }: { readonly mayWait: boolean },
  now: Date,
): Promise<ReadonlyMap<string, LockedSession>> {
  const locked = new Map<string, LockedSession>();
  for (const id of sessionIds) locked.set(id, mayWait || !isUuid(id) ? 'ended' : 'held');
  const query = tx
    .selectFrom('login_sessions')
    .select(sessionColumns)
    .where('id', '=', sql<string>`any(${sessionIds.filter(isUuid)}::uuid[])`)
    // Where it waits, everybody waits in the same order: two of these can't wait for each other.
    .orderBy('id')
    .forNoKeyUpdate();
  for (const row of await (mayWait ? query : query.skipLocked()).execute()) {
    locked.set(row.id, isLive(row, now) ? await used(tx, row, now) : 'ended');
  }
  return locked;
}
