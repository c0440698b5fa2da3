import type { Tx } from '../database/database.ts';
import { isUuid } from '../database/uuid.ts';
import { type Session, sessionColumns, sessionEnded, sessionOf } from './session.ts';

/**
 * Locks a session that is neither ended nor expired. 'share': it can't be ended before this transaction is over, so
 * what is stored meanwhile is seen by whoever ends it. 'update': nobody else does anything in its name.
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
  const row = await (lock === 'share' ? query.forShare() : query.forUpdate()).executeTakeFirst();
  if (row === undefined || row.ended_at !== null || row.expires_at <= now) throw sessionEnded();
  return sessionOf(row);
}
