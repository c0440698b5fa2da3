/**
 * Public keys: the line of an authorized_keys file (sshd(8), "AUTHORIZED_KEYS FILE FORMAT") and the blob inside it
 * (RFC 4253 section 6.6, RFC 8709 section 4). Refusals never repeat what was sent: it may be a private key.
 */
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { SallyportError } from '../errors/sallyport-error.ts';
import { decodeBase64 } from './base64.ts';
import { acceptedKeyType, keyTypes, makeAKey } from './key-types.ts';
import { WireReader, WireWriter } from './wire.ts';

export type PublicKeyType = typeof acceptedKeyType;

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

  const innerType = new WireReader(blob, 'key_malformed', 'public key').text();
  if (innerType !== type && !isCertificateType(innerType)) {
    throw malformed('names one type on the line and another inside.');
  }
  return { type: checkPublicKeyBlob(blob), blob, comment: commentWords.join(' ') };
}

/** "type base64 [comment]", without a line end. @throws key_malformed if the comment would not stay on the line */
export function publicKeyLine(key: { type: string; blob: Uint8Array; comment?: string }): string {
  if (/\p{C}/u.test(key.comment ?? ''))
    throw malformed('has control or invisible characters in its comment.');
  const words = [key.type, Buffer.from(key.blob).toString('base64'), key.comment ?? ''];
  return words.join(' ').trimEnd();
}

/**
 * The type of an acceptable public key, every byte of which was checked.
 * @throws key_malformed, key_weak, key_type_refused, key_is_certificate
 */
export function checkPublicKeyBlob(blob: Uint8Array): PublicKeyType {
  const reader = new WireReader(blob, 'key_malformed', 'public key');
  const type = reader.text();
  if (isCertificateType(type)) {
    throw new SallyportError(
      'key_is_certificate',
      'This is a certificate, and a public key is needed. Send the .pub file whose name does not end in -cert.pub.',
    );
  }
  const inspect = keyTypes.get(type);
  if (inspect === undefined) {
    throw new SallyportError('key_type_refused', `The type of this key is not known here. ${makeAKey}`);
  }
  const reason = inspect(reader);
  reader.done();
  if (reason !== undefined) throw reason;
  return acceptedKeyType;
}

/** The blob of an Ed25519 key of 32 bytes. @throws as checkPublicKeyBlob() */
export function ed25519PublicKeyBlob(raw: Uint8Array): Buffer {
  const blob = new WireWriter().string(acceptedKeyType).string(raw).bytes();
  checkPublicKeyBlob(blob);
  return blob;
}

/** The 32 bytes of the Ed25519 key in a blob. @throws as checkPublicKeyBlob() */
export function ed25519RawKey(blob: Uint8Array): Buffer {
  checkPublicKeyBlob(blob);
  const reader = new WireReader(blob, 'key_malformed', 'public key');
  reader.string();
  return reader.string();
}

/** The public key for node:crypto. @throws as checkPublicKeyBlob() */
export function toKeyObject(blob: Uint8Array): KeyObject {
  const x = ed25519RawKey(blob).toString('base64url');
  return createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x } });
}

/** "SHA256:..." as `ssh-keygen -l` prints it. */
export function fingerprint(blob: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

/** Whether a type's name is that of an OpenSSH certificate (PROTOCOL.certkeys), known here or not. */
export function isCertificateType(type: string): boolean {
  return type.includes('-cert-');
}

function isTypeName(word: string): boolean {
  return keyTypes.has(word) || isCertificateType(word);
}

function malformed(problem: string): SallyportError {
  return new SallyportError('key_malformed', `The public key ${problem}`);
}
