/** Registers a person's key that they have proven to hold: by the same checks as a key that is to be certified. */
import { registrationMessage, type sshKeyRequest } from '../api/ssh-keys.ts';
import { registerKey } from '../credentials/register-key.ts';
import { inTransaction } from '../database/transaction.ts';
import { lockLiveSession } from '../sessions/lock-live-session.ts';
import { parsePublicKeyLine } from '../ssh/public-key.ts';
import { refuseListedKey } from '../ssh/weak-key-list.ts';
import { type Issuing, publicOriginOf } from './issuing.ts';
import { challengeRefused, consumeChallenges, verifyAnswer } from './possession.ts';
import { subjectKeyFaults } from './subject-key.ts';

export interface AskingToRegister {
  /** Of the login that asks, as authentication found. */
  readonly sessionId: string;
  readonly request: ReturnType<typeof sshKeyRequest.parse>;
  readonly clientAddress: string | null;
}

/**
 * @returns the registered key's id
 * @throws the key's faults, key_reserved, key_revoked, key_possession_unproven, session_ended, access_denied,
 *   insufficient_user_authentication, name_taken, forbidden
 */
export async function registerProvenKey(
  issuing: Issuing,
  { sessionId, request, clientAddress }: AskingToRegister,
): Promise<string> {
  const { domain, weakKeys } = issuing;
  const { possession, name, expires_in_seconds } = request;
  const { blob: publicKey } = parsePublicKeyLine(request.public_key);
  if (weakKeys) refuseListedKey(weakKeys, publicKey);
  const message = registrationMessage(sessionId, possession.challenge);
  verifyAnswer({ publicKeyBlob: publicKey, domain, message, possession });

  const now = issuing.clock();
  return await inTransaction(issuing.db, async (tx) => {
    const { accountId } = await lockLiveSession(tx, sessionId, 'share', now);
    const answer = { sessionId, challenge: possession.challenge };
    if (!(await consumeChallenges(tx, [answer], now)).has(answer)) throw challengeRefused();
    for (const fault of (await subjectKeyFaults(tx, [{ publicKey, accountId }])).values()) throw fault;
    const expiresAt = new Date(now.getTime() + expires_in_seconds * 1000);
    const publicOrigin = publicOriginOf(issuing);
    return await registerKey(tx, { sessionId, publicKey, name, expiresAt, publicOrigin, clientAddress }, now);
  });
}
