import type { Tx } from '../database/database.ts';
import { isUuid } from '../database/uuid.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { endLockedSessions, type SessionsEnd } from './end-locked-sessions.ts';

export interface SessionEnd extends SessionsEnd {
  readonly sessionId: string;
}

export interface EndedSession {
  /** The state version that carries the end: companions that acknowledge it have ended the connections. */
  readonly version: bigint;
  /** Certificates that this revoked, counted again if the session had been ended before. */
  readonly certificatesRevoked: number;
}

/**
 * Ends a login session with everything it gave: its tokens are deleted and every stored certificate is revoked, signed
 * or not, in the caller's transaction. The row is locked first: whoever issues in the session's name has committed by
 * then, and its certificate is among those revoked, or finds the session ended.
 *
 * A caller that holds a lock on one of the session's oauth_records would wait for itself in a circle: end the session
 * before touching them, or in a transaction of its own.
 * @throws not_found
 */
export async function endSession(
  tx: Tx,
  { sessionId, reason, by }: SessionEnd,
  now: Date,
): Promise<EndedSession> {
  const session = isUuid(sessionId) ? await lockSession(tx, sessionId) : undefined;
  if (session === undefined) throw new SallyportError('not_found', 'There is no such session.');
  if (session.ended_version !== null) {
    return {
      version: BigInt(session.ended_version),
      certificatesRevoked: await countRevoked(tx, sessionId),
    };
  }

  const { version, certificatesRevoked } = await endLockedSessions(tx, [session], { reason, by }, now);
  return { version, certificatesRevoked };
}

async function lockSession(tx: Tx, sessionId: string) {
  return await tx
    .selectFrom('login_sessions')
    .innerJoin('accounts', 'accounts.id', 'login_sessions.account_id')
    .select(['login_sessions.id', 'login_sessions.account_id', 'login_sessions.grant_id'])
    .select('login_sessions.ended_version')
    .select('accounts.organization_id')
    .where('login_sessions.id', '=', sessionId)
    .forUpdate('login_sessions')
    .executeTakeFirst();
}

async function countRevoked(tx: Tx, sessionId: string): Promise<number> {
  const { count } = await tx
    .selectFrom('revoked_serials')
    .innerJoin('certificates', 'certificates.serial', 'revoked_serials.serial')
    .select((row) => row.fn.countAll<string>().as('count'))
    .where('certificates.session_id', '=', sessionId)
    .executeTakeFirstOrThrow();
  return Number(count);
}
