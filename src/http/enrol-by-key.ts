/** A machine whose host key was registered beforehand proves that it holds it, and gets its credential. */
import type { z } from 'zod';
import {
  type EnrolmentByKeyRequest,
  type EnrolmentReply,
  enrolmentByKeyMessage,
  type enrolmentNonceReply,
  type enrolmentNonceRequest,
} from '../api/companions.ts';
import { inTransaction } from '../database/transaction.ts';
import { consumeEnrolmentNonce, createEnrolmentNonce } from '../inventory/enrolment-by-key.ts';
import { fingerprint, parsePublicKeyLine } from '../ssh/public-key.ts';
import { verifySshsig } from '../ssh/sshsig.ts';
import type { AppParts } from './app-parts.ts';
import { completed, requireOwnKey } from './enrol-companion.ts';

type Enrolling = Pick<AppParts, 'database' | 'authority' | 'clock' | 'publicUrl'>;

/** @throws the key's faults */
export async function giveEnrolmentNonce(
  { database, clock }: Enrolling,
  { name, host_public_key }: z.infer<typeof enrolmentNonceRequest>,
): Promise<z.infer<typeof enrolmentNonceReply>> {
  const { blob } = parsePublicKeyLine(host_public_key);
  const { nonce, lifeSeconds } = await inTransaction(database.db, (tx) =>
    createEnrolmentNonce(tx, { name, fingerprint: fingerprint(blob) }, clock()),
  );
  return { nonce, expires_in_seconds: lifeSeconds };
}

/** @throws the key's faults, key_reserved, signature_invalid, enrolment_refused, recovery_needed; then the nonce is still good */
export async function enrolByKey(parts: Enrolling, request: EnrolmentByKeyRequest): Promise<EnrolmentReply> {
  const { authority, publicUrl } = parts;
  const { name, nonce, host_public_key, signature } = request;
  const hostKey = parsePublicKeyLine(host_public_key).blob;
  authority.refuseListedKey(hostKey);
  verifySshsig({
    message: enrolmentByKeyMessage(nonce, publicUrl.origin, name),
    namespace: `enrol-by-key@${authority.domain}`,
    publicKeyBlob: hostKey,
    armored: signature,
  });
  await requireOwnKey(parts, hostKey);
  return await completed(parts, hostKey, (tx, now) =>
    consumeEnrolmentNonce(tx, { nonce, name, fingerprint: fingerprint(hostKey) }, now),
  );
}
