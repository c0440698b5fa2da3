/** Finding a session by what a client presents. */
import type { Database } from '../database/database.ts';
import { isUuid } from '../database/uuid.ts';
import { tokenHash } from '../secrets/token.ts';
import { liveAt } from './liveness.ts';
import { type Session, sessionColumns, sessionOf } from './session.ts';

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
    .where(liveAt(now))
    .executeTakeFirst();
  return row && sessionOf(row);
}

/** The authorization server's grant of a live session, null for one without; undefined: the session is not live. */
export async function liveGrantOf(
  db: Database,
  sessionId: string,
  now: Date,
): Promise<string | null | undefined> {
  if (!isUuid(sessionId)) return undefined;
  const row = await db
    .selectFrom('login_sessions')
    .select('grant_id')
    .where('id', '=', sessionId)
    .where(liveAt(now))
    .executeTakeFirst();
  return row?.grant_id;
}

/** The newest live session of `sally` that an account has. Looking at it is no use of it. */
export async function newestHelperSession(
  db: Database,
  accountId: string,
  now: Date,
): Promise<Session | undefined> {
  const row = await db
    .selectFrom('login_sessions')
    .select(sessionColumns)
    .where('account_id', '=', accountId)
    .where('kind', '=', 'helper')
    .where(liveAt(now))
    .orderBy('created_at', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row && sessionOf(row);
}
