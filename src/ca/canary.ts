/**
 * The canary of a user or hop CA key: a real certificate that every revocation list revokes. sshd takes some damaged
 * lists for empty ones, so a companion asks after each installation whether the canary is refused. It harms nobody: its
 * private key is thrown away, it is nobody's principal, and it had expired before it was signed.
 */
import { randomBytes } from 'node:crypto';
import type { Tx } from '../database/database.ts';
import { type CertificateFields, nonceLength } from '../ssh/certificate.ts';
import { encodeToBeSigned } from '../ssh/encode-certificate.ts';
import { lintUserCertificate } from '../ssh/lint-certificate.ts';
import { canaryPrincipal } from '../ssh/names.ts';
import { generateEd25519 } from '../ssh/openssh-private-key.ts';
import { storeCertificate } from './certificate-store.ts';
import type { CaKey } from './issuing.ts';
import { nextSerial } from './serials.ts';
import { signCertificate } from './sign-certificate.ts';

/** Makes the key's canary, stores it and writes it to the key's row. @throws signer_failed */
export async function createCanary(tx: Tx, key: CaKey, now: Date): Promise<void> {
  const nowSeconds = BigInt(Math.floor(now.getTime() / 1000));
  const fields: CertificateFields = {
    kind: 'user',
    publicKey: generateEd25519().publicKeyBlob,
    nonce: randomBytes(nonceLength),
    serial: await nextSerial(tx, now),
    keyId: `canary/${key.generation}`,
    principals: [canaryPrincipal],
    validAfter: nowSeconds - 7200n,
    validBefore: nowSeconds - 3600n,
    criticalOptions: [],
    extensions: [],
    caPublicKey: key.publicKey,
  };
  const toBeSigned = encodeToBeSigned(fields);
  lintUserCertificate(toBeSigned, { now: nowSeconds, maxLifetime: 0n, maxBackdate: 0n });
  await storeCertificate(tx, { kind: 'canary', caKeyId: key.id, fields, toBeSigned, decision: {} });

  const { blob } = await signCertificate(toBeSigned, key.signer);
  await tx.updateTable('ca_keys').set({ canary: blob }).where('id', '=', key.id).execute();
}
