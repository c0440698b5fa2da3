/**
 * How a revocation list names serials: as lists, as ranges and as bitmaps, whichever takes the fewest bytes from region
 * to region. sshd reads the file several times per login, so every byte counts.
 *
 * Bytes, with the five of a sub-section's type and length: a list 5 + 8 per serial, a range 21, a bitmap of n bits
 * 5 + 8 (offset) + 4 (length) + n/8 + 1. It is an mpint: the lowest bit comes last, and a zero byte stands before a
 * set top bit, which makes n/8 + 1 bytes (rounded down) for every n.
 */
import { largestBitmapBits, serialBitmap, serialList, serialRange } from './krl-format.ts';
import { at, type SerialRuns } from './serial-ranges.ts';

/**
 * Part of the encoding. A list is given without its type and length, so that it can be joined with the list that the
 * next runs begin with; ranges and bitmaps are whole sub-sections, many in one piece.
 */
export interface Piece {
  readonly isList: boolean;
  readonly bytes: Buffer;
}

interface Subsection {
  readonly kind: typeof serialList | typeof serialRange | typeof serialBitmap;
  /** The runs that it names: `start` to `end`, the latter not included. */
  readonly start: number;
  readonly end: number;
}

const headerBytes = 5;
const rangeBytes = headerBytes + 16;
const bitmapFixedBytes = headerBytes + 8 + 4 + 1;
/** A longer run is shorter as a range, even where that interrupts a list. */
const longestListedRun = 3;

/** The runs in ascending order. Two lists never follow one another. */
export function encodeRuns(runs: SerialRuns): Piece[] {
  const pieces: Piece[] = [];
  const others: Subsection[] = [];
  const flush = () => {
    if (others.length > 0) pieces.push({ isList: false, bytes: encodeSubsections(runs, others) });
    others.length = 0;
  };
  for (const subsection of chooseSubsections(runs)) {
    if (subsection.kind !== serialList) others.push(subsection);
    else {
      flush();
      pieces.push({ isList: true, bytes: encodeList(runs, subsection) });
    }
  }
  flush();
  return pieces;
}

/** A list's sub-section around its serials. */
export function listHeader(bytes: number): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt8(serialList, 0);
  header.writeUInt32BE(bytes, 1);
  return header;
}

/**
 * One pass: for every run the fewest bytes that name everything up to it if it ends a list, is a range, or ends a
 * bitmap. Of all bitmaps that reach a run only the cheapest is followed. Where the limit on bits ends it, the next one
 * may begin at another run than the very best, which costs a few of its 2,048 bytes.
 */
function chooseSubsections({ from, to }: SerialRuns): Subsection[] {
  const count = from.length;
  const kinds = new Uint8Array(count);
  const listStarts = new Uint32Array(count);
  const bitmapStarts = new Uint32Array(count);
  let before = 0; // fewest bytes for all runs before this one
  let list = Number.POSITIVE_INFINITY; // the same where the run before ends a list
  let beforeBitmap = 0; // fewest bytes for all runs before the bitmap that is followed
  let bitmapStart = 0;
  for (let index = 0; index < count; index++) {
    const last = at(to, index);
    const length = lengthOf(at(from, index), last);

    const newList = before + headerBytes;
    listStarts[index] = list <= newList ? (listStarts[index - 1] ?? index) : index;
    list = length <= longestListedRun ? Math.min(list, newList) + 8 * length : Number.POSITIVE_INFINITY;

    // In bits, not yet rounded: whichever is behind now stays behind, however far the two go on.
    const bits = lengthOf(at(from, bitmapStart), last);
    const isShorter = bits <= largestBitmapBits && 8 * beforeBitmap + bits < 8 * before + length;
    if (!isShorter) [beforeBitmap, bitmapStart] = [before, index];
    bitmapStarts[index] = bitmapStart;
    const bitmap = beforeBitmap + bitmapBytes(isShorter ? bits : length);

    before = Math.min(list, before + rangeBytes, bitmap);
    kinds[index] = before === list ? serialList : before === bitmap ? serialBitmap : serialRange;
  }

  const chosen: Subsection[] = [];
  for (let end = count; end > 0; ) {
    const last = end - 1;
    const kind = kinds[last] as Subsection['kind'];
    const starts = { [serialList]: listStarts, [serialBitmap]: bitmapStarts, [serialRange]: undefined };
    const start = starts[kind]?.[last] ?? last;
    chosen.push({ kind, start, end });
    end = start;
  }
  return chosen.reverse();
}

function bitmapBytes(bits: number): number {
  return bits > largestBitmapBits ? Number.POSITIVE_INFINITY : bitmapFixedBytes + Math.floor(bits / 8);
}

/** How many serials. Of long runs only an estimate, which is all that it is compared for. */
function lengthOf(from: bigint, to: bigint): number {
  return Number(to - from) + 1;
}

function encodeList({ from, to }: SerialRuns, { start, end }: Subsection): Buffer {
  let count = 0;
  for (let index = start; index < end; index++) count += lengthOf(at(from, index), at(to, index));
  const bytes = Buffer.alloc(8 * count);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let offset = 0;
  for (let index = start; index < end; index++) {
    for (let serial = at(from, index), left = lengthOf(serial, at(to, index)); left > 0; left--, serial++) {
      view.setBigUint64(offset, serial);
      offset += 8;
    }
  }
  return bytes;
}

/** Ranges and bitmaps, with type and length. */
function encodeSubsections(runs: SerialRuns, subsections: readonly Subsection[]): Buffer {
  const sizes = subsections.map(({ kind, start, end }) =>
    kind === serialRange ? rangeBytes : bitmapBytes(lengthOf(at(runs.from, start), at(runs.to, end - 1))),
  );
  const bytes = Buffer.alloc(sizes.reduce((sum, size) => sum + size, 0));
  let offset = 0;
  for (const [index, subsection] of subsections.entries()) {
    const target = bytes.subarray(offset, offset + (sizes[index] ?? 0));
    offset += target.length;
    target.writeUInt8(subsection.kind, 0);
    target.writeUInt32BE(target.length - headerBytes, 1);
    target.writeBigUInt64BE(at(runs.from, subsection.start), headerBytes);
    if (subsection.kind === serialRange) {
      target.writeBigUInt64BE(at(runs.to, subsection.start), headerBytes + 8);
    } else {
      target.writeUInt32BE(target.length - headerBytes - 12, headerBytes + 8);
      setBits(target, runs, subsection);
    }
  }
  return bytes;
}

/** Bit i stands for the serial offset + i. The offset is the first serial, so that no bit before it is wasted. */
function setBits(target: Buffer, { from, to }: SerialRuns, { start, end }: Subsection): void {
  const offset = at(from, start);
  for (let index = start; index < end; index++) {
    const highest = Number(at(to, index) - offset);
    for (let bit = Number(at(from, index) - offset); bit <= highest; bit++) {
      const byte = target.length - 1 - (bit >>> 3);
      target[byte] = (target[byte] ?? 0) | (1 << (bit & 7));
    }
  }
}
