/** A key as `ssh-keygen -l` shows it: one line with its fingerprint, and the picture of the fingerprint (`-v`). */
import { createHash } from 'node:crypto';
import { keyTypes } from './key-types.ts';
import { checkPublicKeyBlob, fingerprint, partsOf } from './public-key.ts';
import { bitLength } from './rsa-key.ts';

export type FingerprintHash = 'sha256' | 'md5';

/** "MD5:16:27:ac...", for comparing with what old software shows. MD5 proves nothing about who made a key. */
export function md5Fingerprint(blob: Uint8Array): string {
  return `MD5:${digestOf(blob, 'md5').toString('hex').match(/../g)?.join(':')}`;
}

/** "256 SHA256:... alice@laptop (ED25519)", as `ssh-keygen -l`. @throws as checkPublicKeyBlob() */
export function listingLine(
  { blob, comment }: { blob: Uint8Array; comment: string },
  hash: FingerprintHash = 'sha256',
): string {
  const print = hash === 'md5' ? md5Fingerprint(blob) : fingerprint(blob);
  return `${keyBits(blob)} ${print} ${comment === '' ? 'no comment' : comment} (${labelOf(blob)})`;
}

/** The field on which the picture is drawn, without its frame. */
const [width, height] = [17, 9];

/** How often the path crossed a place, then the place where it started and the one where it ended. */
const marks = ' .o+=*BOX@%&#/^';
const [startMark, endMark] = ['S', 'E'];

/**
 * The picture as `ssh-keygen -lv` draws it, eleven lines without a last line end. A path starts in the middle, goes one
 * step diagonally for every two bits of the digest, lowest bits first, and slides along the walls.
 * @throws as checkPublicKeyBlob()
 */
export function randomart(blob: Uint8Array, hash: FingerprintHash = 'sha256'): string {
  const visits = Array.from({ length: height }, () => Array<number>(width).fill(0));
  let x = (width - 1) / 2;
  let y = (height - 1) / 2;
  for (const byte of digestOf(blob, hash)) {
    for (let shift = 0; shift < 8; shift += 2) {
      x = within(x + (((byte >> shift) & 1) === 0 ? -1 : 1), width);
      y = within(y + (((byte >> shift) & 2) === 0 ? -1 : 1), height);
      const row = visits[y] ?? [];
      row[x] = Math.min((row[x] ?? 0) + 1, marks.length - 1);
    }
  }
  const field = visits.map((row) => row.map((count) => marks.charAt(count)));
  put(field, (width - 1) / 2, (height - 1) / 2, startMark);
  put(field, x, y, endMark);
  return [
    border(titleOf(labelOf(blob), keyBits(blob))),
    ...field.map((row) => `|${row.join('')}|`),
    border(`[${hash.toUpperCase()}]`),
  ].join('\n');
}

function put(field: string[][], x: number, y: number, mark: string): void {
  const row = field[y];
  if (row) row[x] = mark;
}

function within(position: number, size: number): number {
  return Math.max(0, Math.min(position, size - 1));
}

/** With the size where there is room for it; OpenSSH keeps one place for the end of its string. */
function titleOf(label: string, bits: number): string {
  const title = `[${label} ${bits}]`;
  return title.length < width ? title : `[${label}]`.slice(0, width - 1);
}

/** The text in the middle, one place to the left where it can't be. */
function border(text: string): string {
  const before = '-'.repeat(Math.floor((width - text.length) / 2));
  return `+${`${before}${text}`.padEnd(width, '-')}+`;
}

function labelOf(blob: Uint8Array): string {
  return keyTypes[checkPublicKeyBlob(blob)].label;
}

function keyBits(blob: Uint8Array): number {
  const { bits } = keyTypes[checkPublicKeyBlob(blob)];
  if (bits !== undefined) return bits;
  const [, modulus = Buffer.alloc(0)] = partsOf(blob);
  return bitLength(BigInt(`0x${modulus.toString('hex')}`));
}

function digestOf(blob: Uint8Array, hash: FingerprintHash): Buffer {
  return createHash(hash).update(blob).digest();
}
