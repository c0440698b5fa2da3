/**
 * Public key files as people have them: a line of OpenSSH, RFC 4716 (what PuTTY and `ssh-keygen -e` save), PEM in the
 * forms of PKCS #8 and PKCS #1, the public part of a PuTTY file, a DNS record, or the bare blob. Whatever read it, what
 * comes out went through checkPublicKeyBlob(): sshpk, which knows the last formats, takes keys that nobody should.
 *
 * For files that a person names to a program on their own machine. The server's interface takes lines only, so that
 * no more parsers than needed see what strangers send.
 */
import { SallyportError } from '../errors/sallyport-error.ts';
import { decodeBase64 } from './base64.ts';
import { checkPublicKeyBlob, type PublicKey, parsePublicKeyLine } from './public-key.ts';

/** An RSA key of 16,384 bits takes less than 6,000 in every format; a private one, to be named as such, 13,000. */
const largestFile = 32_768;

/**
 * The one public key in a file.
 * @throws key_is_private; nothing of the file is repeated; key_malformed, key_weak, key_type_refused, key_is_certificate
 */
export async function readPublicKeyFile(file: Uint8Array): Promise<PublicKey> {
  if (file.length > largestFile) throw malformed(`is larger than ${largestFile} bytes`);
  const bytes = Buffer.from(file);
  const text = bytes.toString('utf8');
  for (const [recognises, read] of formats) {
    if (recognises.test(text)) return await read(text);
  }
  if (isBareBlob(bytes)) return { type: checkPublicKeyBlob(bytes), blob: bytes, comment: '' };
  return parsePublicKeyLine(text);
}

type Read = (text: string) => PublicKey | Promise<PublicKey>;

/** The first that recognises a text reads it; a private key comes first, in whatever format it is. */
const formats: readonly [recognises: RegExp, read: Read][] = [
  [/PRIVATE KEY-----|^Private-(Lines|MAC|Hash|key-format)|^PuTTY-User-Key-File-1/m, refusePrivate],
  [/^\s*---- BEGIN SSH2 PUBLIC KEY ----/, readRfc4716],
  // One block and nothing else: sshpk would take the first of two and overlook the rest.
  [
    /^\s*-----BEGIN ((RSA|DSA|EC|EdDSA) )?PUBLIC KEY-----[A-Za-z0-9+/=\s]*-----END [A-Za-z ]+-----\s*$/,
    (text) => readWithSshpk(text, 'pem'),
  ],
  [/^\s*-----BEGIN/, refuseOtherPem],
  [/^\s*PuTTY-User-Key-File-[23]:/, (text) => readWithSshpk(text, 'putty')],
  [/^(;[^\n]*\n)*\S+\. IN (DNS)?KEY /, (text) => readWithSshpk(text, 'dnssec')],
];

function refusePrivate(): never {
  throw isPrivate();
}

function refuseOtherPem(): never {
  throw malformed('is PEM, but not of one public key and nothing else');
}

/** RFC 4716 section 3: headers, of which one may go on after a backslash, then the blob in base64. */
function readRfc4716(text: string): PublicKey {
  const lines = text.trim().replace(/\r\n?/g, '\n').replace(/\\\n/g, '').split('\n');
  if (
    lines.shift() !== '---- BEGIN SSH2 PUBLIC KEY ----' ||
    lines.pop() !== '---- END SSH2 PUBLIC KEY ----'
  ) {
    throw malformed('is not one key in RFC 4716 form');
  }
  const body = lines.findIndex((line) => !line.includes(':'));
  const headers = lines.slice(0, Math.max(body, 0));
  const blob = body < 0 ? undefined : decodeBase64(lines.slice(body).join(''));
  if (blob === undefined) throw malformed('is not one key in RFC 4716 form');
  const [comment = ''] = headers.flatMap((line) => /^comment: *"?(.*?)"?$/i.exec(line)?.[1] ?? []);
  return { type: checkPublicKeyBlob(blob), blob, comment: plain(comment) };
}

async function readWithSshpk(text: string, format: 'pem' | 'putty' | 'dnssec'): Promise<PublicKey> {
  const { default: sshpk } = await import('sshpk');
  let key: { toBuffer(format: 'rfc4253'): Buffer; comment?: string };
  let blob: Buffer;
  try {
    key = sshpk.parseKey(text, format);
    if (sshpk.PrivateKey.isPrivateKey(key, [1, 0])) throw isPrivate();
    blob = key.toBuffer('rfc4253');
  } catch (error) {
    if (error instanceof SallyportError) throw error;
    // Its messages may quote the file.
    throw malformed('cannot be read');
  }
  return {
    type: checkPublicKeyBlob(blob),
    blob,
    comment: plain(format === 'putty' ? (key.comment ?? '') : ''),
  };
}

/** RFC 4253 section 6.6: a string with the type's name comes first. */
function isBareBlob(bytes: Buffer): boolean {
  if (bytes.length < 4) return false;
  const nameLength = bytes.readUInt32BE(0);
  return nameLength < 64 && /^[a-z0-9@.-]+$/.test(bytes.toString('latin1', 4, 4 + nameLength));
}

/** A comment that stays on its line. */
function plain(comment: string): string {
  return comment.replace(/\p{C}/gu, '');
}

function isPrivate(): SallyportError {
  return new SallyportError(
    'key_is_private',
    'This is the file of a private key. Use its .pub file instead; nothing of this one was kept or shown.',
  );
}

function malformed(problem: string): SallyportError {
  return new SallyportError('key_malformed', `The public key file ${problem}. Use the .pub file of the key.`);
}
