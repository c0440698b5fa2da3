/** Takes an identity from an account, and with it every session that began by it. */
import { lockAccount, unlinkIdentity } from '../accounts/link-identity.ts';
import type { Tx } from '../database/database.ts';
import { endSessionsOfUpstream } from '../sessions/end-sessions.ts';

export interface Unlinking {
  readonly accountId: string;
  readonly issuer: string;
  readonly subject: string;
  /** The account name of who does it. */
  readonly by: string;
}

/** Returns how many sessions ended. @throws not_found */
export async function unlinkAndEndSessions(tx: Tx, unlinking: Unlinking, now: Date): Promise<number> {
  const { accountId, issuer, subject, by } = unlinking;
  // The account first: a login with the identity that is under way waits, and finds it gone.
  await lockAccount(tx, accountId);
  const end = { within: { accountId }, issuer, subject, sid: null, reason: 'unlinked', by };
  const ended = await endSessionsOfUpstream(tx, end, now);
  const sessionsEnded = ended.sessions;
  await unlinkIdentity(tx, { ...unlinking, sessionsEnded }, now);
  return sessionsEnded;
}
