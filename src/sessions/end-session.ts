import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { isUuid } from '../database/uuid.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { revokeCertificates } from '../revocation/revoke-certificates.ts';

export interface SessionEnd {
  readonly sessionId: string;
  /** A short word for the log and the list, such as `revoked` or `logout`. */
  readonly reason: string;
  /** Who ended it: an account name, or `system`. */
  readonly by: string;
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

  if (session.grant_id !== null) {
    await tx.deleteFrom('oauth_records').where('grant_id', '=', session.grant_id).execute();
  }
  const { version, serials } = await revokeCertificates(tx, { sessionId }, reason, now);
  await tx
    .updateTable('login_sessions')
    .set({ ended_at: now, ended_reason: reason, ended_by: by, ended_version: version })
    .where('id', '=', sessionId)
    .execute();
  await recordEvent(tx, {
    event: 'session.ended',
    organizationId: session.organization_id,
    accountId: session.account_id,
    sessionId,
    facts: { reason, by, version: String(version), certificates_revoked: serials.length },
  });
  return { version, certificatesRevoked: serials.length };
}

async function lockSession(tx: Tx, sessionId: string) {
  return await tx
    .selectFrom('login_sessions')
    .innerJoin('accounts', 'accounts.id', 'login_sessions.account_id')
    .select(['login_sessions.account_id', 'login_sessions.grant_id', 'login_sessions.ended_version'])
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
