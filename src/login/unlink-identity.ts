/** Takes an identity from an account, and with it every session that began by it. */
import { identitiesOf, lockAccount, unlinkIdentity } from '../accounts/link-identity.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { endSessionsOfUpstream } from '../sessions/end-sessions.ts';

export interface Unlinking {
  readonly accountId: string;
  readonly issuer: string;
  readonly subject: string;
  /** The account name of who does it. */
  readonly by: string;
}

/**
 * The same for one of one's own: the last stays, or the person could not log in again. Counted under the lock, so that
 * two at once do not take each other's last. @throws forbidden, not_found
 */
export async function unlinkOwnIdentity(tx: Tx, unlinking: Unlinking, now: Date): Promise<void> {
  await lockAccount(tx, unlinking.accountId);
  if ((await identitiesOf(tx, unlinking.accountId)).length < 2) {
    throw new SallyportError(
      'forbidden',
      'This is the only identity of your account: without it you could not log in again. Link another one first.',
    );
  }
  await unlinkAndEndSessions(tx, unlinking, now);
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
