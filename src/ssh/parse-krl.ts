/**
 * Reads revocation lists before sshd does. sshd takes an empty, blank or header-only file for "nothing is revoked" and
 * locks everybody out over most other damage; here both are refused, and so is every section that is not understood.
 * A list cut exactly between two sections is still a list: only the signature beside the file, or a look-up of a serial
 * known to be revoked in each section, can tell.
 */
import { isSallyportError } from '../errors/sallyport-error.ts';
import { krlFormatVersion, krlMagic, sectionNumbers, serialBitmap, serialList, serialRange } from './krl.ts';
import { checkPublicKeyBlob } from './public-key.ts';
import { holdsSerial, isRevocable, mergeRanges, type SerialRange } from './serial-ranges.ts';
import { WireReader } from './wire.ts';

export interface ParsedKrlSection {
  readonly caPublicKey: Buffer;
  /** Sorted, never overlapping. */
  readonly ranges: readonly SerialRange[];
}

export interface ParsedKrl {
  readonly version: bigint;
  /** Unix seconds. */
  readonly generatedAt: bigint;
  readonly comment: string;
  readonly sections: readonly ParsedKrlSection[];
}

/** What sshd accepts of one bitmap (BITMAP_MAX in OpenSSH's bitmap.h). */
const largestBitmapBytes = 16_384 / 8;

/** How to read each kind of sub-section: its data in, the revoked ranges out. */
const subsections: ReadonlyMap<number, (reader: WireReader) => SerialRange[]> = new Map([
  [serialList, readList],
  [serialRange, readRange],
  [serialBitmap, readBitmap],
]);

/** @throws krl_malformed */
export function parseKrl(bytes: Uint8Array): ParsedKrl {
  const reader = readerOf(bytes);
  if (reader.u64() !== krlMagic) throw reader.error('does not start like one');
  if (reader.u32() !== krlFormatVersion) throw reader.error('is of a format version that is not known');
  const version = reader.u64();
  const generatedAt = reader.u64();
  if (reader.u64() !== 0n) throw reader.error('has flags that are not known');
  if (reader.string().length > 0) throw reader.error('has content in its reserved field');
  const comment = reader.text();

  const sections = new Map<string, ParsedKrlSection>();
  while (reader.hasMore) {
    const kind = reader.u8();
    if (kind !== sectionNumbers.certificates)
      throw reader.error(`has a section (${kind}) that is not understood`);
    const section = readSection(reader.string());
    const ca = section.caPublicKey.toString('hex');
    if (sections.has(ca)) throw reader.error('has two sections for one CA');
    sections.set(ca, section);
  }
  if (sections.size === 0) throw reader.error('has no section and so revokes nothing');
  return { version, generatedAt, comment, sections: [...sections.values()] };
}

/** Whether the list revokes this serial of this CA. */
export function isRevoked(krl: ParsedKrl, caPublicKey: Buffer, serial: bigint): boolean {
  const section = krl.sections.find((candidate) => candidate.caPublicKey.equals(caPublicKey));
  return section !== undefined && holdsSerial(section.ranges, serial);
}

function readSection(data: Buffer): ParsedKrlSection {
  const reader = readerOf(data);
  const caPublicKey = reader.string();
  if (!isPublicKey(caPublicKey)) throw reader.error('has a section without a readable Ed25519 CA key');
  if (reader.string().length > 0) throw reader.error('has content in a reserved field');
  const ranges: SerialRange[] = [];
  while (reader.hasMore) {
    const kind = reader.u8();
    const readSubsection = subsections.get(kind);
    if (readSubsection === undefined) throw reader.error(`revokes in a way (${kind}) that is not understood`);
    for (const range of readSubsection(readerOf(reader.string()))) ranges.push(range);
  }
  if (ranges.length === 0) throw reader.error('has a section that revokes nothing');
  if (!ranges.every(isRevocable)) throw reader.error('names a serial that is 0 or not below 2^64');
  return { caPublicKey, ranges: mergeRanges(ranges) };
}

function readList(reader: WireReader): SerialRange[] {
  const ranges: SerialRange[] = [];
  while (reader.hasMore) {
    const serial = reader.u64();
    ranges.push({ from: serial, to: serial });
  }
  return ranges;
}

function readRange(reader: WireReader): SerialRange[] {
  const from = reader.u64();
  const to = reader.u64();
  reader.done();
  if (to < from) throw reader.error('has a range that ends before it starts');
  return [{ from, to }];
}

/** Bit i of the number stands for the serial offset + i. */
function readBitmap(reader: WireReader): SerialRange[] {
  const offset = reader.u64();
  const bytes = reader.string();
  reader.done();
  // One more byte than the bits need: a set top bit gets a leading zero, as in every mpint.
  if (bytes.length > largestBitmapBytes + 1) throw reader.error('has a bitmap of more than 16,384 bits');
  const ranges: SerialRange[] = [];
  for (const [index, byte] of bytes.toReversed().entries()) {
    for (let bit = 0; bit < 8; bit++) {
      const serial = offset + BigInt(index * 8 + bit);
      if (byte & (1 << bit)) ranges.push({ from: serial, to: serial });
    }
  }
  return ranges;
}

function isPublicKey(blob: Buffer): boolean {
  try {
    checkPublicKeyBlob(blob);
    return true;
  } catch (error) {
    if (isSallyportError(error)) return false;
    throw error;
  }
}

function readerOf(bytes: Uint8Array): WireReader {
  return new WireReader(bytes, 'krl_malformed', 'revocation list');
}
