/**
 * The hybrid of ML-DSA-44 and Ed25519 (draft-miller-sshm-mldsa44-ed25519-composite-sigs, which takes MLDSA44-Ed25519-SHA512
 * from draft-ietf-lamps-pq-composite-sigs; FIPS 204). Both signatures must hold, so a forger has to break both. OpenSSH
 * makes and reads such keys from 10.5 on; node:crypto knows ML-DSA where its OpenSSL is 3.5 or newer.
 */
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';

/** Bytes of the two keys and of the ML-DSA half of a signature; the Ed25519 half has 64. */
const mldsaKeyBytes = 1312;
const mldsaSignatureBytes = 2420;

export const compositeKeyBytes = mldsaKeyBytes + 32;
export const compositeSignatureBytes = mldsaSignatureBytes + 64;

const prefix = Buffer.from('CompositeAlgorithmSignatures2025');
/** Names this pair of algorithms, and is ML-DSA's context (FIPS 204 section 5.2). */
const label = Buffer.from('COMPSIG-MLDSA44-Ed25519-SHA512');

export interface CompositeKey {
  readonly mldsa: KeyObject;
  readonly ed25519: KeyObject;
}

/** Both keys of the 1,344 bytes in a key blob; undefined where this OpenSSL has no ML-DSA. */
export function compositeKey(raw: Uint8Array): CompositeKey | undefined {
  const pub = base64url(raw.subarray(0, mldsaKeyBytes));
  const x = base64url(ed25519Half(raw));
  try {
    return {
      mldsa: createPublicKey({ format: 'jwk', key: { kty: 'AKP', alg: 'ML-DSA-44', pub } }),
      ed25519: createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x } }),
    };
  } catch {
    return undefined;
  }
}

export function ed25519Half(raw: Uint8Array): Uint8Array {
  return raw.subarray(mldsaKeyBytes);
}

/** What both keys sign instead of the bytes, which may be of any length. Its one zero is the length of no context. */
export function compositeMessage(bytes: Uint8Array): Buffer {
  return Buffer.concat([prefix, label, Buffer.alloc(1), createHash('sha512').update(bytes).digest()]);
}

/** Whether both halves of the signature are over the bytes. */
export function verifyComposite(key: CompositeKey, bytes: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== compositeSignatureBytes) return false;
  const message = compositeMessage(bytes);
  const isByMldsa = verify(
    null,
    message,
    { key: key.mldsa, context: label },
    signature.subarray(0, mldsaSignatureBytes),
  );
  const isByEd25519 = verify(null, message, key.ed25519, signature.subarray(mldsaSignatureBytes));
  return isByMldsa && isByEd25519;
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}
