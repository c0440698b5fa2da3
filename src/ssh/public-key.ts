/**
 * Public keys: the line of an authorized_keys file (sshd(8), "AUTHORIZED_KEYS FILE FORMAT") and the blob inside it
 * (RFC 4253 section 6.6, RFC 5656 section 3.1, RFC 8709 section 4, OpenSSH PROTOCOL.u2f). Refusals never repeat what
 * was sent: it may be a private key.
 */
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { SallyportError } from '../errors/sallyport-error.ts';
import { decodeBase64 } from './base64.ts';
import { type EllipticCurve, ellipticCurves } from './elliptic-curves.ts';
import { inspectionOf, makeAKey } from './inspect-key.ts';
import { isPublicKeyType, type PublicKeyType } from './key-types.ts';
import { ed25519Half } from './mldsa-ed25519.ts';
import { WireReader, WireWriter } from './wire.ts';

export interface PublicKey {
  readonly type: PublicKeyType;
  readonly blob: Buffer;
  readonly comment: string;
}

/** What OpenSSH itself reads of one line (SSH_MAX_PUBKEY_BYTES), in bytes. */
export const longestPublicKeyLine = 16_384;

const privateKeyMarks = /PRIVATE KEY|PuTTY-User-Key-File|b3BlbnNzaC1rZXktdjEA/;
const byteOrderMarks = /^[\uFEFF\uFFFE\uFFFD]|^\u00EF\u00BB\u00BF/;
const options =
  /^@|[="]|^(restrict|cert-authority|(no-)?(pty|user-rc|X11-forwarding|(agent|port)-forwarding))(,|$)/i;

/** What a line is told before anybody looks for a key in it. The first mark that is found counts. */
const wrongLines: readonly [found: RegExp, problem: string][] = [
  [/\0/, 'holds NUL bytes. Is the file saved as UTF-16? Save it as UTF-8.'],
  [byteOrderMarks, 'starts with a byte order mark. Save the file as UTF-8 without it.'],
  [/^-{4,5} ?BEGIN/, 'is in a PEM or RFC 4716 file. Convert it with: ssh-keygen -i -f FILE'],
  [/[\r\n]/, 'has more than one line. Send exactly one key.'],
  [/\p{C}/u, 'holds control or invisible characters.'],
];

/**
 * Reads ONE line "type base64 [comment]", without options; one line end may follow.
 * @throws key_malformed, key_type_refused, key_weak, key_is_certificate, key_is_private
 */
export function parsePublicKeyLine(line: string): PublicKey {
  if (Buffer.byteLength(line) > longestPublicKeyLine) {
    throw malformed(`is longer than ${longestPublicKeyLine} bytes.`);
  }
  if (privateKeyMarks.test(line)) {
    throw new SallyportError(
      'key_is_private',
      'A private key was sent. Send the .pub file instead; nothing of this was stored, but treat the key as known to others and make a new one.',
    );
  }
  const text = line.replace(/\r?\n$/, '');
  for (const [found, problem] of wrongLines) {
    if (found.test(text)) throw malformed(problem);
  }

  const [type = '', base64 = '', ...commentWords] = text.split(/ +/);
  if (options.test(type) || [base64, ...commentWords].some(isTypeName)) {
    throw malformed(
      'has options before it or a second key after it. Send "type key comment" and nothing else.',
    );
  }
  const blob = decodeBase64(base64);
  if (blob === undefined || blob.length === 0) throw malformed('is not "type base64 comment".');

  const innerType = readerOf(blob).text();
  if (innerType !== type && !isCertificateType(innerType)) {
    throw malformed('names one type on the line and another inside.');
  }
  return { type: checkPublicKeyBlob(blob), blob, comment: commentWords.join(' ') };
}

/**
 * "type base64 [comment]", without a line end; the type is read from the blob where none is given.
 * @throws key_malformed if the comment would not stay on the line
 */
export function publicKeyLine(key: { type?: string; blob: Uint8Array; comment?: string }): string {
  if (/\p{C}/u.test(key.comment ?? ''))
    throw malformed('has control or invisible characters in its comment.');
  const type = key.type ?? readerOf(key.blob).text();
  const words = [type, Buffer.from(key.blob).toString('base64'), key.comment ?? ''];
  return words.join(' ').trimEnd();
}

/**
 * The type of an acceptable public key, every byte of which was checked.
 * @throws key_malformed, key_weak, key_type_refused, key_is_certificate
 */
export function checkPublicKeyBlob(blob: Uint8Array): PublicKeyType {
  const bytes = Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength).toString('latin1');
  const found = checkedBlobs.get(bytes);
  if (found !== undefined) return found;
  const type = inspectBlob(blob);
  if (checkedBlobs.size === mostCheckedBlobs) {
    const [oldest = ''] = checkedBlobs.keys();
    checkedBlobs.delete(oldest);
  }
  checkedBlobs.set(bytes, type);
  return type;
}

/**
 * The last blobs that were found good. The check costs more than a signature, and encoder, linter, parser and verifier
 * each look at both keys of a certificate.
 */
const checkedBlobs = new Map<string, PublicKeyType>();
const mostCheckedBlobs = 64;

function inspectBlob(blob: Uint8Array): PublicKeyType {
  const reader = readerOf(blob);
  const type = reader.text();
  if (isCertificateType(type)) {
    throw new SallyportError(
      'key_is_certificate',
      'This is a certificate, and a public key is needed. Send the .pub file whose name does not end in -cert.pub.',
    );
  }
  const inspect = inspectionOf(type);
  if (inspect === undefined) {
    throw new SallyportError('key_type_refused', `The type of this key is not known here. ${makeAKey}`);
  }
  const reason = inspect(reader);
  reader.done();
  if (reason !== undefined) throw reason;
  if (!isPublicKeyType(type)) throw new Error(`${type} is inspected but not accepted`);
  return type;
}

/** The blob of an Ed25519 key of 32 bytes. @throws as checkPublicKeyBlob() */
export function ed25519PublicKeyBlob(raw: Uint8Array): Buffer {
  return blobOf('ssh-ed25519', raw);
}

/** The 32 bytes of the Ed25519 key in a blob. @throws as checkPublicKeyBlob(), key_type_refused for other types */
export function ed25519RawKey(blob: Uint8Array): Buffer {
  if (checkPublicKeyBlob(blob) !== 'ssh-ed25519') {
    throw new SallyportError('key_type_refused', `This is not an Ed25519 key. ${makeAKey}`);
  }
  return partsOf(blob)[0] ?? Buffer.alloc(0);
}

/**
 * The public key for node:crypto; of a security key, the key inside; of the hybrid with ML-DSA, its Ed25519 half. A
 * signature by those is over more than the message, or by more than this key: see verifySignature().
 * @throws as checkPublicKeyBlob()
 */
export function toKeyObject(blob: Uint8Array): KeyObject {
  const type = checkPublicKeyBlob(blob);
  const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = partsOf(blob);
  return createPublicKey({ format: 'jwk', key: jwkMakers[type](first, second) });
}

/**
 * The blob of a public key of node:crypto, or of the public half of a private one: Ed25519, P-256, P-384, P-521 or RSA.
 * @throws as checkPublicKeyBlob()
 */
export function publicKeyBlobOf(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  const type = publicKey.asymmetricKeyType;
  if (type !== 'ed25519' && type !== 'ec' && type !== 'rsa') throw unknownKeyObject();
  const { crv, x = '', y = '', n = '', e = '' } = publicKey.export({ format: 'jwk' });
  if (type === 'ed25519') return ed25519PublicKeyBlob(Buffer.from(x, 'base64url'));
  if (type === 'rsa') return blobOf('ssh-rsa', mpintBytes(e), mpintBytes(n));
  for (const curve of Object.keys(ellipticCurves) as EllipticCurve[]) {
    if (ellipticCurves[curve].crv !== crv) continue;
    const point = Buffer.concat([Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
    return blobOf(`ecdsa-sha2-${curve}`, Buffer.from(curve), point);
  }
  throw unknownKeyObject();
}

/** What follows the type's name in a key blob. @throws key_malformed */
export function partsOf(blob: Uint8Array): Buffer[] {
  const reader = readerOf(blob);
  reader.string();
  const parts: Buffer[] = [];
  while (reader.hasMore) parts.push(reader.string());
  return parts;
}

/** "SHA256:..." as `ssh-keygen -l` prints it. */
export function fingerprint(blob: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

/** Whether a type's name is that of an OpenSSH certificate (PROTOCOL.certkeys), known here or not. */
export function isCertificateType(type: string): boolean {
  return type.includes('-cert-');
}

type Jwk = Readonly<Record<string, string>>;
type JwkMaker = (first: Buffer, second: Buffer) => Jwk;

/** RFC 7517 and RFC 8037, from the first two parts of a key blob. */
const jwkMakers: Readonly<Record<PublicKeyType, JwkMaker>> = {
  'ssh-ed25519': ed25519Jwk,
  'ecdsa-sha2-nistp256': ecdsaJwk,
  'ecdsa-sha2-nistp384': ecdsaJwk,
  'ecdsa-sha2-nistp521': ecdsaJwk,
  'ssh-rsa': (exponent, modulus) => ({ kty: 'RSA', e: unsigned(exponent), n: unsigned(modulus) }),
  'sk-ssh-ed25519@openssh.com': ed25519Jwk,
  'sk-ecdsa-sha2-nistp256@openssh.com': ecdsaJwk,
  'ssh-mldsa44-ed25519@openssh.com': (both) => ed25519Jwk(Buffer.from(ed25519Half(both))),
};

function ed25519Jwk(raw: Buffer): Jwk {
  return { kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') };
}

function ecdsaJwk(curve: Buffer, point: Buffer): Jwk {
  const { crv, fieldBytes } = ellipticCurves[curve.toString() as EllipticCurve];
  const x = point.subarray(1, 1 + fieldBytes).toString('base64url');
  const y = point.subarray(1 + fieldBytes).toString('base64url');
  return { kty: 'EC', crv, x, y };
}

/** An mpint without the zero byte that keeps its sign bit clear. */
function unsigned(mpint: Buffer): string {
  return mpint.subarray(mpint[0] === 0 ? 1 : 0).toString('base64url');
}

function mpintBytes(unsignedBase64url: string): Buffer {
  const bytes = Buffer.from(unsignedBase64url, 'base64url');
  return (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes;
}

function blobOf(type: PublicKeyType, ...parts: Uint8Array[]): Buffer {
  const writer = new WireWriter().string(type);
  for (const part of parts) writer.string(part);
  const blob = writer.bytes();
  checkPublicKeyBlob(blob);
  return blob;
}

function isTypeName(word: string): boolean {
  return inspectionOf(word) !== undefined || isCertificateType(word);
}

function readerOf(blob: Uint8Array): WireReader {
  return new WireReader(blob, 'key_malformed', 'public key');
}

function unknownKeyObject(): SallyportError {
  return new SallyportError(
    'key_type_refused',
    'The key is of no type that SSH has: Ed25519, ECDSA on P-256, P-384 or P-521, or RSA.',
  );
}

function malformed(problem: string): SallyportError {
  return new SallyportError('key_malformed', `The public key ${problem}`);
}
