/**
 * The canary of a user or hop CA key: a real certificate that every revocation list revokes. sshd takes some damaged
 * lists for empty ones, so a companion asks after each installation whether the canary is refused. It harms nobody: its
 * private key is thrown away, it is nobody's principal, and it had expired before it was signed.
 *
 * For that reason it alone may be signed before it is stored: a signer may be far away, and no transaction waits for it.
 */
import { randomBytes } from 'node:crypto';
import type { Database, Tx } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { type CertificateFields, nonceLength } from '../ssh/certificate.ts';
import { encodeToBeSigned } from '../ssh/encode-certificate.ts';
import { lintUserCertificate } from '../ssh/lint-certificate.ts';
import { canaryPrincipal } from '../ssh/names.ts';
import { generateEd25519 } from '../ssh/openssh-private-key.ts';
import { storeCertificate } from './certificate-store.ts';
import { compareWithDecision } from './compare-with-decision.ts';
import type { Purpose } from './issuing.ts';
import { nextSerial } from './serials.ts';
import { signCertificate } from './sign-certificate.ts';
import type { Signer } from './signer.ts';

/** A canary that is signed, and not stored yet. */
export interface Canary {
  readonly fields: CertificateFields;
  readonly toBeSigned: Buffer;
  /** The whole certificate. */
  readonly blob: Buffer;
}

/**
 * Makes the canary of a key that is about to be registered; undefined for a host CA's, as no KRL lists host certificates.
 * @throws signer_failed, recovery_needed, database_unavailable
 */
export async function signCanary(
  db: Database,
  { purpose, generation, signer }: { purpose: Purpose; generation: number; signer: Signer },
  now: Date,
): Promise<Canary | undefined> {
  if (purpose === 'host') return undefined;
  const nowSeconds = BigInt(Math.floor(now.getTime() / 1000));
  const fields: CertificateFields = {
    kind: 'user',
    publicKey: generateEd25519().publicKeyBlob,
    nonce: randomBytes(nonceLength),
    serial: await inTransaction(db, (tx) => nextSerial(tx, now)),
    keyId: `canary/${generation}`,
    principals: [canaryPrincipal],
    validAfter: nowSeconds - 7200n,
    validBefore: nowSeconds - 3600n,
    criticalOptions: [],
    extensions: [],
    caPublicKey: signer.publicKey,
  };
  const toBeSigned = encodeToBeSigned(fields);
  lintUserCertificate(toBeSigned, { now: nowSeconds, maxLifetime: 0n, maxBackdate: 0n });
  compareWithDecision(toBeSigned, fields);
  const { blob } = await signCertificate(toBeSigned, signer);
  return { fields, toBeSigned, blob };
}

/** Stores it as the key's, in its row and among the certificates. */
export async function storeCanary(
  tx: Tx,
  caKeyId: string,
  { fields, toBeSigned, blob }: Canary,
): Promise<void> {
  await storeCertificate(tx, { kind: 'canary', caKeyId, fields, toBeSigned, decision: {} });
  await tx.updateTable('ca_keys').set({ canary: blob }).where('id', '=', caKeyId).execute();
}
