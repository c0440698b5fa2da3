/**
 * The serials of one section, as they stand in the file: never written out one by one, so that a range of 2^64 serials,
 * or a thousand bitmaps over one another, take no more memory than the file, times a small constant.
 */
import { largestBitmapBits, serialBitmap, serialList, serialRange } from './krl-format.ts';
import type { SerialRange, SerialRuns } from './serial-ranges.ts';
import { countUpTo, holdsSerial, isRevocable, rangesOf, runsOf } from './serial-ranges.ts';
import type { WireReader } from './wire.ts';

export interface ParsedSerials {
  /** Of all lists and ranges. */
  readonly runs: SerialRuns;
  /** Sorted by offset; they may overlap. */
  readonly bitmaps: readonly SerialBitmap[];
  readonly offsets: BigUint64Array;
}

/** Bit i of the big-endian number `bits` stands for the serial `offset` + i. */
interface SerialBitmap {
  readonly offset: bigint;
  readonly bits: Buffer;
}

/** What the sub-sections read so far name. */
export interface FoundSerials {
  readonly serials: bigint[];
  readonly ranges: SerialRange[];
  readonly bitmaps: SerialBitmap[];
}

/** How to read each kind of sub-section that names serials. @throws krl_malformed */
export const serialReaders: ReadonlyMap<number, (reader: WireReader, found: FoundSerials) => void> = new Map([
  [serialList, readList],
  [serialRange, readRange],
  [serialBitmap, readBitmap],
]);

export function parsedSerials({ serials, ranges, bitmaps }: FoundSerials): ParsedSerials {
  const sorted = bitmaps.toSorted((a, b) => (a.offset < b.offset ? -1 : Number(a.offset > b.offset)));
  return {
    runs: runsOf(serials, ranges),
    bitmaps: sorted,
    offsets: BigUint64Array.from(sorted, ({ offset }) => offset),
  };
}

/** Whether the serial is named. */
export function namesSerial({ runs, bitmaps, offsets }: ParsedSerials, serial: bigint): boolean {
  if (holdsSerial(runs, serial)) return true;
  // Bitmaps that begin above the serial, or further below it than one can reach, do not hold it.
  const end = countUpTo(offsets, serial);
  const start = countUpTo(offsets, serial - BigInt(largestBitmapBits));
  return bitmaps.slice(start, end).some(({ offset, bits }) => hasBit(bits, Number(serial - offset)));
}

/** All that is named, merged, for whoever shows a list. A bitmap of scattered bits takes much more room so. */
export function namedRanges({ runs, bitmaps }: ParsedSerials): SerialRange[] {
  if (bitmaps.length === 0) return rangesOf(runs);
  return rangesOf(runsOf([], [...rangesOf(runs), ...bitmaps.flatMap(rangesOfBitmap)]));
}

function rangesOfBitmap({ offset, bits }: SerialBitmap): SerialRange[] {
  const ranges: SerialRange[] = [];
  const end = 8 * bits.length;
  for (let bit = 0; bit < end; bit++) {
    if (!hasBit(bits, bit)) continue;
    const first = bit;
    while (bit + 1 < end && hasBit(bits, bit + 1)) bit++;
    ranges.push({ from: offset + BigInt(first), to: offset + BigInt(bit) });
  }
  return ranges;
}

function readList(reader: WireReader, { serials }: FoundSerials): void {
  if (!reader.hasMore) throw reader.error('has a list without serials');
  while (reader.hasMore) {
    const serial = reader.u64();
    if (serial === 0n) throw reader.error('names serial 0, which sshd refuses');
    serials.push(serial);
  }
}

function readRange(reader: WireReader, { ranges }: FoundSerials): void {
  const range = { from: reader.u64(), to: reader.u64() };
  reader.done();
  if (!isRevocable(range)) throw reader.error('has a range that starts at 0 or ends before it starts');
  ranges.push(range);
}

function readBitmap(reader: WireReader, { bitmaps }: FoundSerials): void {
  const offset = reader.u64();
  const number = reader.string();
  reader.done();
  const [first = 0, second = 0] = number;
  if (number.length === 0) throw reader.error('has a bitmap without bits');
  if (first >= 0x80) throw reader.error('has a bitmap that is a negative number');
  if (first === 0 && second < 0x80) throw reader.error('has a bitmap with needless zeros in front');
  const bits = first === 0 ? number.subarray(1) : number;
  if (8 * bits.length > largestBitmapBits) throw reader.error('has a bitmap of more than 16,384 bits');
  const highest = offset + BigInt(8 * bits.length - 1 - leadingZeros(bits));
  const lowestIsZero = offset === 0n && hasBit(bits, 0);
  if (lowestIsZero || highest >= 2n ** 64n) {
    throw reader.error('has a bitmap that names serial 0 or one not below 2^64');
  }
  bitmaps.push({ offset, bits });
}

/** Of the first byte. */
function leadingZeros([first = 0]: Buffer): number {
  return Math.clz32(first) - 24;
}

function hasBit(bits: Buffer, bit: number): boolean {
  return (((bits[bits.length - 1 - (bit >>> 3)] ?? 0) >>> (bit & 7)) & 1) === 1;
}
