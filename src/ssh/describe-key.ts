/** What there is to say of a public key, good or not: its size, its fingerprints, and why it would be refused. Pure. */
import { isSallyportError } from '../errors/sallyport-error.ts';
import { md5Fingerprint } from './key-listing.ts';
import { isPublicKeyType, keyTypes } from './key-types.ts';
import { checkPublicKeyBlob, fingerprint } from './public-key.ts';
import { bitLength } from './rsa-key.ts';
import { WireReader } from './wire.ts';

export interface KeyDescription {
  /** As it stands in the blob. */
  readonly type: string;
  /** What `ssh-keygen -l` calls the type; the type itself where it is not known. */
  readonly label: string;
  /** null where nobody knows. */
  readonly bits: number | null;
  /** "SHA256:..." */
  readonly sha256: string;
  /** "MD5:..", as old software shows it. */
  readonly md5: string;
  /** Why Sallyport would refuse the key; null for an acceptable one. */
  readonly problem: string | null;
}

/** @throws key_malformed if the bytes do not even begin with the name of a type */
export function describeKey(blob: Uint8Array): KeyDescription {
  const type = new WireReader(blob, 'key_malformed', 'public key').text();
  return {
    type,
    label: isPublicKeyType(type) ? keyTypes[type].label : (otherLabels.get(type) ?? type),
    bits: bitsOf(type, blob),
    sha256: fingerprint(blob),
    md5: md5Fingerprint(blob),
    problem: problemOf(blob),
  };
}

const otherLabels: ReadonlyMap<string, string> = new Map([['ssh-dss', 'DSA']]);

function bitsOf(type: string, blob: Uint8Array): number | null {
  const fixed = isPublicKeyType(type) ? keyTypes[type].bits : undefined;
  if (fixed !== undefined) return fixed;
  if (type !== 'ssh-rsa' && type !== 'ssh-dss') return null;
  try {
    const reader = new WireReader(blob, 'key_malformed', 'public key');
    reader.text();
    // RSA holds its exponent before its modulus; DSA's first number is the one whose length counts.
    if (type === 'ssh-rsa') reader.mpint();
    return bitLength(reader.mpint());
  } catch {
    return null;
  }
}

function problemOf(blob: Uint8Array): string | null {
  try {
    checkPublicKeyBlob(blob);
    return null;
  } catch (error) {
    if (isSallyportError(error)) return error.message;
    throw error;
  }
}
