/**
 * What a release says of itself: a few lines of text, which a shell script reads as well, and behind them the armored
 * signature over all of it. One document says the number, the version and every file, so that parts of two releases can't
 * be put together.
 *
 *   sallyport-release 1
 *   program sally
 *   number 42
 *   version 1.2.3
 *   issued 2026-11-21T22:00:00Z
 *   expires 2027-01-20T22:00:00Z
 *   file sally-1.2.3-linux-x64 118123456 <SHA-256 in hex>
 *
 * The number grows with every document that is signed, also where the version stays. A later format gets another first
 * line; unknown lines are refused.
 */
import { createHash } from 'node:crypto';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { parsePublicKeyLine } from '../../ssh/public-key.ts';
import { verifySshsig } from '../../ssh/sshsig.ts';

/** Of the signature: one made for anything else is none (PROTOCOL.sshsig). */
export const releaseNamespace = 'release@sallyport';
export const largestRelease = 64 * 1024;

export interface ReleaseFile {
  readonly name: string;
  readonly size: number;
  readonly sha256: string;
}

export interface ReleaseManifest {
  readonly program: string;
  readonly number: number;
  readonly version: string;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  readonly files: readonly ReleaseFile[];
}

export interface CheckedRelease extends ReleaseManifest {
  /** SHA-256 of what was signed, in hex. */
  readonly digest: string;
}

const time = '([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)';
const head = new RegExp(
  [
    '^sallyport-release 1\\nprogram ([a-z-]{1,40})\\nnumber ([1-9][0-9]{0,11})\\n',
    `version ((?:0|[1-9][0-9]{0,5})(?:\\.(?:0|[1-9][0-9]{0,5})){2})\\nissued ${time}\\nexpires ${time}\\n`,
  ].join(''),
);
const fileLine = /^file ([A-Za-z0-9][A-Za-z0-9._-]{0,99}) ([1-9][0-9]{0,11}) ([0-9a-f]{64})$/;

/** The bytes that are signed. */
export function releaseText(manifest: ReleaseManifest): string {
  const { program, number, version, issuedAt, expiresAt, files } = manifest;
  const lines = [
    'sallyport-release 1',
    `program ${program}`,
    `number ${number}`,
    `version ${version}`,
    `issued ${timeText(issuedAt)}`,
    `expires ${timeText(expiresAt)}`,
    ...files.map(({ name, size, sha256 }) => `file ${name} ${size} ${sha256}`),
  ];
  const text = `${lines.join('\n')}\n`;
  parseRelease(text);
  return text;
}

/**
 * @param document the text and its signature
 * @param keys public keys of which one must have signed, as lines of `ssh-keygen`
 * @throws signature_invalid, request_malformed
 */
export function checkRelease(document: string, keys: readonly string[]): CheckedRelease {
  const at = document.indexOf('-----BEGIN SSH SIGNATURE-----');
  const text = document.slice(0, at === -1 ? undefined : at);
  const armored = at === -1 ? '' : document.slice(at);
  const message = Buffer.from(text, 'utf8');
  const isSigned = keys.some((line) => {
    try {
      const { blob: publicKeyBlob } = parsePublicKeyLine(line);
      verifySshsig({ message, namespace: releaseNamespace, publicKeyBlob, armored });
      return true;
    } catch {
      return false;
    }
  });
  if (!isSigned) {
    throw new SallyportError(
      'signature_invalid',
      'What is said about releases is not signed by a key that this sally was built with. Nothing of it counts.',
    );
  }
  return { ...parseRelease(text), digest: createHash('sha256').update(message).digest('hex') };
}

/** @throws request_malformed */
function parseRelease(text: string): ReleaseManifest {
  const [all, program, number, version, issued, expires] = head.exec(text) ?? [];
  if (!all || !program || !version || !issued || !expires) throw malformed('does not start like one');
  const lines = text.slice(all.length).split('\n');
  if (lines.pop() !== '') throw malformed('does not end with a line end');
  const files = lines.map((line) => {
    const [, name, size, sha256] = fileLine.exec(line) ?? [];
    if (!name || !sha256) throw malformed('has a line that is not known');
    return { name, size: Number(size), sha256 };
  });
  if (new Set(files.map(({ name }) => name)).size < files.length) throw malformed('names a file twice');
  const [issuedAt, expiresAt] = [new Date(issued), new Date(expires)];
  if (!(issuedAt < expiresAt)) throw malformed('ends before it begins');
  return { program, number: Number(number), version, issuedAt, expiresAt, files };
}

/** Negative if `a` is the older one. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.split('.').map(Number));
  for (let at = 0; at < 3; at += 1) {
    const difference = (left?.[at] ?? 0) - (right?.[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function timeText(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}

function malformed(problem: string): SallyportError {
  return new SallyportError('request_malformed', `The description of the release ${problem}.`);
}
