import type { Tx } from '../database/database.ts';
import { isUuid } from '../database/uuid.ts';
import { type Session, sessionColumns, sessionEnded, sessionOf } from './session.ts';

/**
 * Locks a session that is neither ended nor expired. 'share': it can't be ended before this transaction is over, so
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
  if (row === undefined || row.ended_at !== null || row.expires_at <= now) throw sessionEnded();
  return sessionOf(row);
}
