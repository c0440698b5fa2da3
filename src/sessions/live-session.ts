/** Finding a session by what a client presents, and holding it still while something is done in its name. */
import type { Database, Tx } from '../database/database.ts';
import { isUuid } from '../database/uuid.ts';
import { tokenHash } from '../secrets/token.ts';
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

/** The session of the authorization server's grant, whether it is live or not: look at its facts. */
export async function sessionByGrant(db: Database, grantId: string): Promise<Session | undefined> {
  const row = await db
    .selectFrom('login_sessions')
    .select(sessionColumns)
    .where('grant_id', '=', grantId)
    .executeTakeFirst();
  return row && sessionOf(row);
}

/** The live browser session of a cookie, looked up by its digest. */
export async function sessionByCookie(db: Database, cookie: string, now: Date): Promise<Session | undefined> {
  const row = await db
    .selectFrom('login_sessions')
    .select(sessionColumns)
    .where('cookie_hash', '=', tokenHash(cookie))
    .where('ended_at', 'is', null)
    .where('expires_at', '>', now)
    .executeTakeFirst();
  return row && sessionOf(row);
}

const touchedEveryMilliseconds = 60_000;

/** Notes that the session was used, at most once a minute: every request would be a write otherwise. */
export async function touchSession(tx: Tx, sessionId: string, now: Date): Promise<void> {
  await tx
    .updateTable('login_sessions')
    .set({ last_used_at: now })
    .where('id', '=', sessionId)
    .where('last_used_at', '<', new Date(now.getTime() - touchedEveryMilliseconds))
    .execute();
}
