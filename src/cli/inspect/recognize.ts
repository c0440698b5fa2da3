/**
 * Finds out what a file is: certificates and public keys line by line (.pub files, authorized_keys, known_hosts,
 * `ssh-add -L`, sshd's $SSH_USER_AUTH), revocation lists, SSHSIG signatures, keys in PEM or RFC 4716. Everything else is
 * refused by the name of what it is instead. Pure; nothing of a private key is repeated.
 */
import { SallyportError } from '../../errors/sallyport-error.ts';
import { krlMagic } from '../../ssh/krl-format.ts';
import { unarmor } from '../../ssh/pem.ts';
import { WireReader } from '../../ssh/wire.ts';
import { textOf } from './text-of.ts';

export type Recognized =
  | {
      readonly kind: 'key';
      readonly blob: Buffer;
      readonly line: number | null;
      readonly before: string | null;
      readonly comment: string | null;
    }
  /** A `key file` is one public key in PEM or RFC 4716. */
  | { readonly kind: 'krl' | 'signature' | 'key file'; readonly bytes: Buffer; readonly line: null }
  | { readonly kind: 'unreadable'; readonly line: number; readonly problem: string };

/** Bounded, like everything here that is looked for in a whole file: a file may be made to be slow to read. */
const privateKeyMarks =
  /BEGIN [A-Z0-9 ]{0,60}(?:PRIVATE|ENCRYPTED CA) KEY|PuTTY-User-Key-File|b3BlbnNzaC1rZXktdjEA|openssh-key-v1\0|AGE-SECRET-KEY|"d" *:/i;

/** What other files are, by how they begin. The first that fits is named. */
const otherFiles: readonly [begins: RegExp, what: string][] = [
  [
    /^[\s\uFEFF]*<(!doctype|html|\?xml)/i,
    'an HTML or XML page, perhaps of a login that stood before a download',
  ],
  [
    /^-----BEGIN (TRUSTED |X509 )?CERTIFICATE-----/m,
    'an X.509 certificate, as TLS uses them. Look at it with: openssl x509 -noout -text -in FILE',
  ],
  [/^-----BEGIN CERTIFICATE REQUEST-----/m, 'a request for an X.509 certificate, as TLS uses them'],
  [/^-----BEGIN PGP /m, 'an OpenPGP file'],
  [/^-----BEGIN ([A-Z0-9 ]+)-----/m, 'a PEM file of a kind that SSH does not use, or a damaged one'],
  [/^\x1f\x8b/, 'compressed with gzip. Decompress it first: gunzip'],
  [/^PK\x03\x04/, 'a ZIP archive'],
  [/^\x7fELF/, 'a program'],
  [/^(\u00ff\u00fe|\u00fe\u00ff)|^[\x20-\x7e]\0[\x20-\x7e]\0/, 'UTF-16 text. Save it as UTF-8'],
  [/^SSHKRL/, 'the beginning of a key revocation list whose rest is missing'],
  [/^\s*[[{]/, 'JSON. Give the certificate inside it alone'],
  [/^[^\0]*$/, 'text without a key or certificate in it'],
];

const expected = 'Expected a certificate, a public key, a key revocation list or an SSH signature.';

/** @throws file_refused, saying what the bytes are */
export function recognize(bytes: Buffer): Recognized[] {
  if (bytes.length === 0) throw refused(`is empty. ${expected}`);
  const binary = binaryFile(bytes);
  if (binary !== undefined) return [binary];
  const text = textOf(bytes);
  if (text.trim() === '') throw refused(`holds nothing but white space. ${expected}`);
  if (privateKeyMarks.test(text)) {
    throw refused(
      'holds a private key, and nothing of it is shown. Look at the .pub or -cert.pub file beside it instead.',
    );
  }
  const armored = armoredFile(bytes, text);
  if (armored !== undefined) return [armored];
  const lines = text.split(/\r?\n/).flatMap((line, index) => readLine(line, index + 1));
  if (lines.some((found) => found.kind !== 'unreadable' || found.problem !== noKey)) return lines;
  const what = otherFiles.find(([begins]) => begins.test(text))?.[1] ?? 'of no kind that is known here';
  throw refused(`is ${what}. ${expected}`);
}

/** A revocation list, or anything else without base64 around it. */
function binaryFile(bytes: Buffer): Recognized | undefined {
  if (bytes.length >= 8 && bytes.readBigUInt64BE() === krlMagic) return { kind: 'krl', bytes, line: null };
  if (bytes.subarray(0, 6).toString('latin1') === 'SSHSIG') return { kind: 'signature', bytes, line: null };
  if (innerType(bytes) === undefined) return undefined;
  return { kind: 'key', blob: bytes, line: null, before: null, comment: null };
}

function armoredFile(bytes: Buffer, text: string): Recognized | undefined {
  const signature = unarmor('SSH SIGNATURE', `${text.trim()}\n`);
  if (signature !== undefined) return { kind: 'signature', bytes: signature, line: null };
  return keyFile.test(text) ? { kind: 'key file', bytes, line: null } : undefined;
}

const keyFile = /^\s*-----? ?BEGIN ([A-Za-z0-9]+ )?PUBLIC KEY ?-----?/;

const noKey = 'There is no key or certificate on it.';

/** No key or certificate that anything reads comes near, and longer ones are more than a regular expression can take. */
const longestLine = 1024 * 1024;

const damaged = 'It names a type of key, but the base64 after it is missing, cut or damaged.';

/** "[marker] [hosts or options] [type] base64 [comment]"; nothing for blank lines and comments. */
function readLine(text: string, line: number): Recognized[] {
  if (/^\s*(#|$)/.test(text)) return [];
  if (text.length > longestLine) return [{ kind: 'unreadable', line, problem: noKey }];
  const words = wordsOf(text);
  for (const [at, { word, end }] of words.entries()) {
    const blob = base64Key(word);
    if (blob === undefined) continue;
    const type = innerType(blob);
    const named = words[at - 1]?.word;
    if (named !== undefined && isTypeName(named) && named !== type) {
      return [{ kind: 'unreadable', line, problem: 'It names one type on the line and another inside.' }];
    }
    const before = words.slice(0, named === type ? at - 1 : at).map((each) => each.word);
    const comment = text.slice(end).trim();
    return [
      { kind: 'key', blob, line, before: before.join(' ') || null, comment: comment === '' ? null : comment },
    ];
  }
  const isDamaged = words.some(({ word }) => isTypeName(word));
  return [{ kind: 'unreadable', line, problem: isDamaged ? damaged : noKey }];
}

/**
 * White space separates, except inside double quotes, where options may hold it. A quote that nothing closes goes to the
 * end of the line, as for sshd; looking for its end again from every later one would take the square of the time.
 */
function wordsOf(text: string): { word: string; end: number }[] {
  const words = text.matchAll(/(?:"(?:\\.|[^"\\])*(?:"|\\?$)|[^\s"])+/gs);
  return Array.from(words, ({ 0: word, index }) => ({ word, end: index + word.length }));
}

/** The length of a type's name, less than 256, comes first: in base64 three letters A. */
function base64Key(word: string): Buffer | undefined {
  if (!/^AAAA[A-Za-z0-9+/]+={0,2}$/.test(word)) return undefined;
  const blob = Buffer.from(word, 'base64');
  return innerType(blob) === undefined ? undefined : blob;
}

function innerType(blob: Buffer): string | undefined {
  try {
    const type = new WireReader(blob.subarray(0, 256), 'key_malformed', 'key').text();
    return isTypeName(type) ? type : undefined;
  } catch {
    return undefined;
  }
}

/** Families of names, known here or not. */
function isTypeName(word: string): boolean {
  return /^(ssh|ecdsa|sk|rsa|webauthn)-[a-z0-9@.-]{2,80}$/.test(word);
}

function refused(problem: string): SallyportError {
  return new SallyportError('file_refused', problem);
}
