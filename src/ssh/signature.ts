/**
 * SSH signatures, as they stand in certificates and SSHSIGs: the algorithm's name and what it puts after it (RFC 4253
 * section 6.6, RFC 5656 section 3.1.2, RFC 8332 section 3, RFC 8709 section 6, OpenSSH PROTOCOL.u2f, and
 * mldsa-ed25519.ts for the hybrid). RSA with SHA-1, which carries the name `ssh-rsa`, is neither made nor believed.
 */
import { createHash, type KeyObject, sign, verify } from 'node:crypto';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { ellipticCurves } from './elliptic-curves.ts';
import type { PublicKeyType } from './key-types.ts';
import { compositeKey, compositeSignatureBytes, verifyComposite } from './mldsa-ed25519.ts';
import { checkPublicKeyBlob, partsOf, toKeyObject } from './public-key.ts';
import { WireReader, WireWriter } from './wire.ts';

export type SignatureAlgorithm =
  | 'ssh-ed25519'
  | 'ecdsa-sha2-nistp256'
  | 'ecdsa-sha2-nistp384'
  | 'ecdsa-sha2-nistp521'
  | 'rsa-sha2-256'
  | 'rsa-sha2-512'
  | 'sk-ssh-ed25519@openssh.com'
  | 'sk-ecdsa-sha2-nistp256@openssh.com'
  | 'ssh-mldsa44-ed25519@openssh.com';

/**
 * How the signature proper is packed: Ed25519's 64 bytes, ECDSA's two numbers of a field, RSA's one of the modulus, both
 * of a hybrid one after the other.
 */
type Packing = 'ed25519' | 'ecdsa' | 'rsa' | 'mldsa-ed25519';

interface AlgorithmRow {
  readonly keyType: PublicKeyType;
  readonly packing: Packing;
  /** For node:crypto; Ed25519 hashes by itself. */
  readonly hash: string | null;
  /** ECDSA: bytes of each of the two numbers. */
  readonly fieldBytes?: number;
}

const { nistp256, nistp384, nistp521 } = ellipticCurves;

const algorithms: Readonly<Record<SignatureAlgorithm, AlgorithmRow>> = {
  'ssh-ed25519': { keyType: 'ssh-ed25519', packing: 'ed25519', hash: null },
  'ecdsa-sha2-nistp256': { keyType: 'ecdsa-sha2-nistp256', packing: 'ecdsa', ...nistp256 },
  'ecdsa-sha2-nistp384': { keyType: 'ecdsa-sha2-nistp384', packing: 'ecdsa', ...nistp384 },
  'ecdsa-sha2-nistp521': { keyType: 'ecdsa-sha2-nistp521', packing: 'ecdsa', ...nistp521 },
  'rsa-sha2-256': { keyType: 'ssh-rsa', packing: 'rsa', hash: 'sha256' },
  'rsa-sha2-512': { keyType: 'ssh-rsa', packing: 'rsa', hash: 'sha512' },
  'sk-ssh-ed25519@openssh.com': { keyType: 'sk-ssh-ed25519@openssh.com', packing: 'ed25519', hash: null },
  'sk-ecdsa-sha2-nistp256@openssh.com': {
    keyType: 'sk-ecdsa-sha2-nistp256@openssh.com',
    packing: 'ecdsa',
    ...nistp256,
  },
  'ssh-mldsa44-ed25519@openssh.com': {
    keyType: 'ssh-mldsa44-ed25519@openssh.com',
    packing: 'mldsa-ed25519',
    hash: null,
  },
};

/** PROTOCOL.u2f: bit of the flags that says that somebody touched the security key. */
const userPresent = 0x01;
/** The same: that it asked for a PIN or a finger. */
const userVerified = 0x04;

/** Told apart because they exist; everything else is simply not known. */
const refusedAlgorithms: ReadonlyMap<string, string> = new Map([
  ['ssh-rsa', 'is RSA with SHA-1, which can be forged. Sign with rsa-sha2-512'],
  ['webauthn-sk-ecdsa-sha2-nistp256@openssh.com', 'was made by a browser for a web site, not for SSH'],
]);

/** The algorithm that a key signs with: of RSA's two the stronger. @throws as checkPublicKeyBlob() */
export function signatureAlgorithmOf(publicKey: Uint8Array): SignatureAlgorithm {
  const type = checkPublicKeyBlob(publicKey);
  return type === 'ssh-rsa' ? 'rsa-sha2-512' : type;
}

/**
 * The signature blob around what a cryptographic library or a key service gives.
 * @param native Ed25519: the 64 bytes; RSA: the PKCS #1 v1.5 signature; ECDSA: ASN.1 DER (RFC 3279 section 2.2.3)
 * @throws signature_invalid; also for the algorithms of security keys, whose signatures have more parts
 */
export function encodeSignature(algorithm: SignatureAlgorithm, native: Uint8Array): Buffer {
  if (algorithm.startsWith('sk-')) throw invalid('is of a security key, which has more to it');
  const { packing } = algorithms[algorithm];
  const bytes = Buffer.from(native);
  if (packing === 'ed25519' && bytes.length !== 64) throw invalid('must be 64 bytes long for Ed25519');
  const packed = packing === 'ecdsa' ? sshIntegers(bytes) : bytes;
  return new WireWriter().string(algorithm).string(packed).bytes();
}

/**
 * Signs with a key of node:crypto.
 * @param algorithm if not the one that signatureAlgorithmOf() names for the key
 * @returns the signature blob
 * @throws signature_invalid if the key can't make such a signature
 */
export function signWithKey(
  privateKey: KeyObject,
  bytes: Uint8Array,
  algorithm = algorithmOfPrivateKey(privateKey),
): Buffer {
  const { keyType, hash } = algorithms[algorithm];
  if (algorithms[algorithmOfPrivateKey(privateKey)].keyType !== keyType) {
    throw invalid(`can't be ${algorithm}: the private key is of another type`);
  }
  return encodeSignature(algorithm, sign(hash, bytes, privateKey));
}

export interface SignatureClaim {
  /** Key blob. */
  readonly publicKey: Uint8Array;
  readonly bytes: Uint8Array;
  /** Signature blob. */
  readonly signature: Uint8Array;
}

/** What a security key says of a signature that it has made; of other keys nothing is known. */
export interface VerifiedSignature {
  readonly userVerified: boolean;
}

/**
 * Throws unless the signature is this key's over these bytes. A security key must also have been touched for it.
 * @throws signature_invalid
 */
export function verifySignature({ publicKey, bytes, signature }: SignatureClaim): VerifiedSignature {
  const { algorithm, packed, flags, counter } = readSignature(signature);
  const { keyType, packing, hash, fieldBytes = 0 } = algorithms[algorithm];
  const { key, type } = keyOf(publicKey);
  if (type !== keyType) throw invalid('is of another type than its key');
  if (flags !== undefined && (flags & userPresent) === 0) {
    throw invalid('was made without anybody touching the security key');
  }
  const signed = flags === undefined ? bytes : securityKeyMessage({ publicKey, bytes, flags, counter });
  if (packing === 'mldsa-ed25519') {
    const both = compositeKey(partsOf(publicKey)[0] ?? Buffer.alloc(0));
    if (both === undefined || !verifyComposite(both, bytes, packed)) throw invalid('does not match');
    return { userVerified: false };
  }
  const native = packing === 'ecdsa' ? fixedIntegers(packed, fieldBytes) : packed;
  if (!verify(hash, signed, { key, dsaEncoding: 'ieee-p1363' }, native)) throw invalid('does not match');
  return { userVerified: flags !== undefined && (flags & userVerified) !== 0 };
}

/** The algorithm of a signature blob, all of whose bytes were read, though not compared with anything. @throws signature_invalid */
export function signatureAlgorithmInside(signature: Uint8Array): SignatureAlgorithm {
  return readSignature(signature).algorithm;
}

interface ReadSignature {
  readonly algorithm: SignatureAlgorithm;
  readonly packed: Buffer;
  /** Of security keys only. */
  readonly flags?: number;
  readonly counter?: number;
}

function readSignature(signature: Uint8Array): ReadSignature {
  const reader = readerOf(signature);
  const algorithm = reader.text();
  const reason = refusedAlgorithms.get(algorithm);
  if (reason !== undefined) throw invalid(reason);
  if (!isAlgorithm(algorithm)) throw invalid('is of an algorithm that is not known here');
  const packed = reader.string();
  const touch = algorithm.startsWith('sk-') ? { flags: reader.u8(), counter: reader.u32() } : {};
  reader.done();
  const { packing, fieldBytes = 0 } = algorithms[algorithm];
  if (packing === 'ed25519' && packed.length !== 64) throw invalid('must be 64 bytes long for Ed25519');
  if (packing === 'mldsa-ed25519' && packed.length !== compositeSignatureBytes) {
    throw invalid(`must be ${compositeSignatureBytes} bytes long for ML-DSA with Ed25519`);
  }
  if (packing === 'ecdsa') fixedIntegers(packed, fieldBytes);
  return { algorithm, packed, ...touch };
}

/** What a security key signs instead of the message (PROTOCOL.u2f, "SSH U2F signatures"). */
function securityKeyMessage(signed: {
  publicKey: Uint8Array;
  bytes: Uint8Array;
  flags: number;
  counter: number | undefined;
}): Buffer {
  const application = partsOf(signed.publicKey).at(-1) ?? Buffer.alloc(0);
  return new WireWriter()
    .raw(createHash('sha256').update(application).digest())
    .u8(signed.flags)
    .u32(signed.counter ?? 0)
    .raw(createHash('sha256').update(signed.bytes).digest())
    .bytes();
}

/** Two mpints as two numbers of fixed length (IEEE P1363), for node:crypto. */
function fixedIntegers(packed: Buffer, fieldBytes: number): Buffer {
  const reader = readerOf(packed);
  const numbers = [reader.mpint(), reader.mpint()];
  reader.done();
  const hex = numbers.map((number) => number.toString(16).padStart(2 * fieldBytes, '0'));
  if (hex.some((digits) => digits.length > 2 * fieldBytes)) throw invalid('holds a number that is too large');
  return Buffer.from(hex.join(''), 'hex');
}

/** ASN.1 DER, SEQUENCE { INTEGER r, INTEGER s }, as two mpints: the content of a positive INTEGER is one already. */
function sshIntegers(der: Buffer): Buffer {
  const sequence = derContent(der, 0, 0x30);
  if (sequence.end !== der.length) throw invalid('has bytes after its end');
  const r = derContent(der, sequence.start, 0x02);
  const s = derContent(der, r.end, 0x02);
  if (s.end !== der.length) throw invalid('is not two numbers in ASN.1 DER');
  const packed = new WireWriter()
    .string(der.subarray(r.start, r.end))
    .string(der.subarray(s.start, s.end))
    .bytes();
  fixedIntegers(packed, nistp521.fieldBytes);
  return packed;
}

/** Start and end of the content of one DER element (X.690 section 8.1.3) of less than 256 bytes. */
function derContent(der: Buffer, offset: number, tag: number): { start: number; end: number } {
  const [first, short = 0, long = 0] = der.subarray(offset, offset + 3);
  const isLong = short === 0x81;
  const length = isLong ? long : short;
  const start = offset + (isLong ? 3 : 2);
  const isMinimal = isLong ? length >= 0x80 : length < 0x80;
  if (first !== tag || !isMinimal || start + length > der.length)
    throw invalid('is not two numbers in ASN.1 DER');
  return { start, end: start + length };
}

function keyOf(publicKey: Uint8Array): { key: KeyObject; type: PublicKeyType } {
  try {
    return { key: toKeyObject(publicKey), type: checkPublicKeyBlob(publicKey) };
  } catch (error) {
    if (isSallyportError(error)) throw invalid('belongs to a key that is not acceptable', error.message);
    throw error;
  }
}

/** Cheap on purpose: no more of the key is looked at than its type. */
function algorithmOfPrivateKey(privateKey: KeyObject): SignatureAlgorithm {
  const { asymmetricKeyType: type, asymmetricKeyDetails } = privateKey;
  if (type === 'ed25519') return 'ssh-ed25519';
  if (type === 'rsa') return 'rsa-sha2-512';
  const algorithm = type === 'ec' && opensslCurves.get(asymmetricKeyDetails?.namedCurve ?? '');
  if (algorithm) return algorithm;
  throw invalid('can only be made with an Ed25519, ECDSA or RSA key');
}

const opensslCurves: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  ['prime256v1', 'ecdsa-sha2-nistp256'],
  ['secp384r1', 'ecdsa-sha2-nistp384'],
  ['secp521r1', 'ecdsa-sha2-nistp521'],
]);

function isAlgorithm(name: string): name is SignatureAlgorithm {
  return Object.hasOwn(algorithms, name);
}

function readerOf(bytes: Uint8Array): WireReader {
  return new WireReader(bytes, 'signature_invalid', 'signature');
}

function invalid(problem: string, detail?: string): SallyportError {
  return new SallyportError(
    'signature_invalid',
    `The signature ${problem}.`,
    detail === undefined ? {} : { detail },
  );
}
