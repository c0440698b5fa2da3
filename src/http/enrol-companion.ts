/** A machine proves that it holds its host key and spends its one-time token for a credential. */

import { type EnrolmentReply, type EnrolmentRequest, enrolmentMessage } from '../api/companions.ts';
import { recordEvent } from '../audit/record-event.ts';
import { requireIssuingAllowed } from '../ca/issuing-allowed.ts';
import type { Tx } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import type { Companion } from '../inventory/companion.ts';
import { companionOfToken, completeEnrolment, consumeEnrolmentToken } from '../inventory/enrolment.ts';
import { newToken, tokenHash } from '../secrets/token.ts';
import { parsePublicKeyLine } from '../ssh/public-key.ts';
import { verifySshsig } from '../ssh/sshsig.ts';
import type { AppParts } from './app-parts.ts';

type Enrolling = Pick<AppParts, 'database' | 'authority' | 'clock'>;

/** @throws the key's faults, key_reserved, signature_invalid, enrolment_refused, recovery_needed; then the token is still good */
export async function enrolCompanion(parts: Enrolling, request: EnrolmentRequest): Promise<EnrolmentReply> {
  try {
    return await enrol(parts, request);
  } catch (error) {
    await recordRefusal(parts, request.token, error);
    throw error;
  }
}

async function enrol(parts: Enrolling, request: EnrolmentRequest): Promise<EnrolmentReply> {
  const { authority } = parts;
  const { token, host_public_key, signature } = request;
  const hostKey = parsePublicKeyLine(host_public_key).blob;
  authority.refuseListedKey(hostKey);
  verifySshsig({
    message: enrolmentMessage(token),
    namespace: `enrol@${authority.domain}`,
    publicKeyBlob: hostKey,
    armored: signature,
  });
  await requireOwnKey(parts, hostKey);
  return await completed(parts, hostKey, (tx, now) => consumeEnrolmentToken(tx, token, now));
}

/** Makes the machine the companion that `consume` gives up for it. @throws what consume() does; recovery_needed */
export async function completed(
  { database, authority, clock }: Enrolling,
  hostKey: Buffer,
  consume: (tx: Tx, now: Date) => Promise<Companion>,
): Promise<EnrolmentReply> {
  const userAuthorities = (await authority.userAuthorities()).map(({ publicKeyLine }) => publicKeyLine);
  const credential = newToken('companion');
  const companion = await inTransaction(database.db, async (tx) => {
    const now = clock();
    // A database that was restored may have forgotten what was spent.
    await requireIssuingAllowed(tx);
    const found = await consume(tx, now);
    await completeEnrolment(tx, found.id, { hostKey, credentialHash: tokenHash(credential) }, now);
    return found;
  });
  return {
    companion_id: companion.id,
    name: companion.name,
    kind: companion.kind,
    credential,
    domain: authority.domain,
    user_authorities: userAuthorities,
  };
}

/** A machine whose host key is a CA's could vouch for anything. @throws key_reserved */
export async function requireOwnKey(
  { authority }: Pick<Enrolling, 'authority'>,
  hostKey: Buffer,
): Promise<void> {
  const users = await authority.userAuthorities();
  const hops = await authority.hopAuthorities();
  const authorities = [
    ...[...users, ...hops].map(({ publicKeyLine }) => publicKeyLine),
    ...(await authority.hostAuthorityLines()),
  ];
  if (!authorities.some((line) => parsePublicKeyLine(line).blob.equals(hostKey))) return;
  throw new SallyportError(
    'key_reserved',
    'The host key is a key of the certificate authority itself. Give the machine its own: ssh-keygen -A',
  );
}

/**
 * In a transaction of its own, since the refused one is rolled back. The token is not recorded. Anybody may ask, so what
 * names no token that was ever given out leaves no row: the log of requests has it.
 */
async function recordRefusal({ database }: Enrolling, token: string, error: unknown): Promise<void> {
  if (!isSallyportError(error) || error.code === 'database_unavailable') return;
  const { code, message } = error;
  const recorded = inTransaction(database.db, async (tx) => {
    const companion = await companionOfToken(tx, token);
    if (companion === undefined) return;
    const { organizationId, name } = companion;
    await recordEvent(tx, {
      event: 'companion.refused',
      organizationId,
      facts: { code, message, companion: name },
    });
  });
  await recorded.catch(() => {});
}
