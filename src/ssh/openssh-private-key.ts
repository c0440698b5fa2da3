/**
 * Private keys as `ssh` reads them (OpenSSH PROTOCOL.key), without a passphrase: short-lived keys, protected by the
 * mode of their file.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { SallyportError } from '../errors/sallyport-error.ts';
import { armor } from './pem.ts';
import { ed25519PublicKeyBlob, partsOf, publicKeyBlobOf } from './public-key.ts';
import { WireReader, WireWriter } from './wire.ts';

export interface GeneratedKey {
  readonly privateKey: KeyObject;
  readonly publicKeyBlob: Buffer;
  /** The private key file's text. */
  openssh(comment: string): string;
}

/** A fresh Ed25519 key. */
export function generateEd25519(): GeneratedKey {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { d = '', x = '' } = privateKey.export({ format: 'jwk' });
  const publicKey = Buffer.from(x, 'base64url');
  return {
    privateKey,
    publicKeyBlob: ed25519PublicKeyBlob(publicKey),
    openssh: (comment) => encodeOpensshPrivateKey({ seed: Buffer.from(d, 'base64url'), publicKey, comment }),
  };
}

/**
 * The text of a private key file of an Ed25519, ECDSA or RSA key, with its last line end (PROTOCOL.key, section 3).
 * @throws key_type_refused
 */
export function opensshPrivateKeyOf(privateKey: KeyObject, comment: string): string {
  const publicKey = publicKeyBlobOf(privateKey);
  const jwk = privateKey.export({ format: 'jwk' });
  const bytes = (name: 'd' | 'n' | 'e' | 'p' | 'q' | 'qi' | 'x') => Buffer.from(jwk[name] ?? '', 'base64url');
  const parts = {
    ed25519: () => [...partsOf(publicKey), Buffer.concat([bytes('d'), bytes('x')])],
    ec: () => [...partsOf(publicKey), mpint(bytes('d'))],
    rsa: () => (['n', 'e', 'd', 'qi', 'p', 'q'] as const).map((name) => mpint(bytes(name))),
  }[privateKey.asymmetricKeyType as 'ed25519' | 'ec' | 'rsa']();
  const type = new WireReader(publicKey, 'key_malformed', 'public key').text();
  return keyFileText({ type, publicKey, parts, comment });
}

/**
 * The text of a private key file, with its last line end. `seed` and `publicKey` are 32 bytes each (RFC 8032).
 * @throws key_malformed if they are not one pair: signing with a wrong public key gives the private one away
 */
export function encodeOpensshPrivateKey(key: { seed: Buffer; publicKey: Buffer; comment: string }): string {
  const { seed, publicKey, comment } = key;
  if (!isPair(seed, publicKey)) {
    throw new SallyportError('key_malformed', 'The public key does not belong to the private key.');
  }
  return keyFileText({
    type: 'ssh-ed25519',
    publicKey: ed25519PublicKeyBlob(publicKey),
    parts: [publicKey, Buffer.concat([seed, publicKey])],
    comment,
  });
}

function keyFileText(key: { type: string; publicKey: Buffer; parts: Buffer[]; comment: string }): string {
  const { type, publicKey, parts, comment } = key;
  const checkNumber = 0; // Twice the same tells a right passphrase from a wrong one; there is none.
  const writer = new WireWriter().u32(checkNumber).u32(checkNumber).string(type);
  for (const part of parts) writer.string(part);
  const secret = writer.string(comment).bytes();
  const file = new WireWriter()
    .raw(Buffer.from('openssh-key-v1\0'))
    .string('none') // cipher
    .string('none') // key derivation
    .string('') // its options
    .u32(1) // number of keys
    .string(publicKey)
    .string(pad(secret))
    .bytes();
  return armor('OPENSSH PRIVATE KEY', file);
}

/** RFC 4251 section 5: without leading zeros, but for the one that keeps the sign bit clear. */
function mpint(unsigned: Buffer): Buffer {
  const first = unsigned.findIndex((byte) => byte !== 0);
  const bytes = unsigned.subarray(first);
  return (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes;
}

/** Fills the last block of 8 bytes, the block length of the cipher "none", with 1, 2, 3 ... */
function pad(bytes: Buffer): Buffer {
  const missing = (8 - (bytes.length % 8)) % 8;
  return Buffer.concat([bytes, Buffer.from([1, 2, 3, 4, 5, 6, 7].slice(0, missing))]);
}

function isPair(seed: Buffer, publicKey: Buffer): boolean {
  if (seed.length !== 32) return false;
  // RFC 8410 section 7: a PKCS #8 envelope of fixed bytes around the seed.
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return createPublicKey(privateKey).export({ format: 'jwk' }).x === publicKey.toString('base64url');
}
