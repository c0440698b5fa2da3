/** What key services call a kind of key, and what SSH makes of it. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { publicKeyBlobOf } from '../../ssh/public-key.ts';
import { excerpt } from './key-service-request.ts';

/** The SSH blob of a public key in SubjectPublicKeyInfo, DER or PEM. @throws settings_invalid, as publicKeyBlobOf() */
export function blobOfSpki(spki: Uint8Array | string, service: string): Buffer {
  let key: KeyObject;
  try {
    key =
      typeof spki === 'string'
        ? createPublicKey({ key: spki, format: 'pem' })
        : createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch {
    throw new SallyportError('settings_invalid', `${service} gave a public key that can't be read.`);
  }
  return publicKeyBlobOf(key);
}

/** Refuses a kind of key that can't be a CA key. */
export function refuseKind(service: string, kind: unknown, usable: readonly string[]): SallyportError {
  return new SallyportError(
    'settings_invalid',
    `${service}: the key is of kind ${excerpt(kind)}. Make one of: ${usable.join(', ')}.`,
  );
}
