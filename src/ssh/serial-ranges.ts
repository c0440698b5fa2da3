/**
 * Sets of certificate serials (u64) as runs: sorted, not empty, neither overlapping nor touching. Two typed arrays hold
 * a million of them in 16 MB and are sorted in a tenth of a second, which objects with bigints are not.
 */
import { SallyportError } from '../errors/sallyport-error.ts';

export interface SerialRange {
  readonly from: bigint;
  /** Inclusive. */
  readonly to: bigint;
}

/** Run i is every serial of `from[i]` to `to[i]`, both included. */
export interface SerialRuns {
  readonly from: BigUint64Array;
  readonly to: BigUint64Array;
}

export const noRuns: SerialRuns = { from: new BigUint64Array(0), to: new BigUint64Array(0) };

const largestSerial = 2n ** 64n - 1n;

/** Whether a revocation list can name the range: serials run from 1 (KRLs ignore 0) to 2^64 - 1. */
export function isRevocable({ from, to }: SerialRange): boolean {
  return from > 0n && from <= to && to <= largestSerial;
}

/**
 * The runs that cover exactly these serials and ranges, given in any order and however often.
 * @throws krl_malformed for a serial that no revocation list can name, and a range that ends before it starts
 */
export function runsOf(
  serials: readonly bigint[] | BigUint64Array,
  ranges: readonly SerialRange[] = [],
): SerialRuns {
  if (!ranges.every(isRevocable) || !(serials instanceof BigUint64Array || serials.every(isSerial))) {
    throw notRevocable();
  }
  const sorted = BigUint64Array.from(serials).sort();
  // The only serial that a typed array can hold and a list can't name.
  if (sorted[0] === 0n) throw notRevocable();
  const byStart = ranges.toSorted((a, b) => (a.from < b.from ? -1 : Number(a.from > b.from)));
  const listed = { from: sorted, to: sorted };
  return uniteRuns(merged(listed), merged(columnsOf(byStart)));
}

/** Every serial of either. */
export function uniteRuns(a: SerialRuns, b: SerialRuns): SerialRuns {
  if (a.from.length === 0) return b;
  if (b.from.length === 0) return a;
  const from = new BigUint64Array(a.from.length + b.from.length);
  const to = new BigUint64Array(from.length);
  let [inA, inB] = [0, 0];
  for (let index = 0; index < from.length; index++) {
    const takesA = inB === b.from.length || (inA < a.from.length && at(a.from, inA) <= at(b.from, inB));
    from[index] = takesA ? at(a.from, inA) : at(b.from, inB);
    to[index] = takesA ? at(a.to, inA++) : at(b.to, inB++);
  }
  return merged({ from, to });
}

/** The serials of `runs` that `without` does not have. */
export function subtractRuns(runs: SerialRuns, without: SerialRuns): SerialRuns {
  if (without.from.length === 0) return runs;
  const left: SerialRange[] = [];
  let cut = 0;
  for (let index = 0; index < runs.from.length; index++) {
    let from = at(runs.from, index);
    const to = at(runs.to, index);
    while (cut < without.from.length && at(without.to, cut) < from) cut++;
    for (let next = cut; next < without.from.length && at(without.from, next) <= to; next++) {
      if (at(without.from, next) > from) left.push({ from, to: at(without.from, next) - 1n });
      from = at(without.to, next) + 1n;
    }
    if (from <= to) left.push({ from, to });
  }
  return columnsOf(left);
}

/** Runs of several sets that lie behind one another. */
export function joinRuns(parts: readonly SerialRuns[]): SerialRuns {
  const [only = noRuns, ...more] = parts;
  if (more.length === 0) return only;
  const length = parts.reduce((sum, { from }) => sum + from.length, 0);
  const joined = { from: new BigUint64Array(length), to: new BigUint64Array(length) };
  let offset = 0;
  for (const { from, to } of parts) {
    joined.from.set(from, offset);
    joined.to.set(to, offset);
    offset += from.length;
  }
  return joined;
}

/** Runs `start` to `end`, the latter not included. */
export function sliceRuns({ from, to }: SerialRuns, start: number, end: number): SerialRuns {
  return { from: from.slice(start, end), to: to.slice(start, end) };
}

export function sameRuns(a: SerialRuns, b: SerialRuns): boolean {
  const isSame = (one: BigUint64Array, other: BigUint64Array) =>
    one.length === other.length && one.every((value, index) => value === other[index]);
  return isSame(a.from, b.from) && isSame(a.to, b.to);
}

/** Whether the runs hold a serial. */
export function holdsSerial({ from, to }: SerialRuns, serial: bigint): boolean {
  const last = countUpTo(from, serial) - 1;
  return last >= 0 && serial <= at(to, last);
}

/** How many values of a sorted array are not above `limit`. */
export function countUpTo(sorted: BigUint64Array, limit: bigint): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (at(sorted, middle) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function rangesOf({ from, to }: SerialRuns): SerialRange[] {
  return Array.from(from, (first, index) => ({ from: first, to: at(to, index) }));
}

/** An element that is there. */
export function at(values: BigUint64Array, index: number): bigint {
  return values[index] as bigint;
}

/** Joins what overlaps or touches; given sorted by `from`. */
function merged({ from, to }: SerialRuns): SerialRuns {
  const result = { from: new BigUint64Array(from.length), to: new BigUint64Array(from.length) };
  let count = 0;
  for (let index = 0; index < from.length; index++) {
    const last = count - 1;
    // `from - 1n` instead of `to + 1n`: that would leave 64 bits. No serial is 0.
    if (last >= 0 && at(from, index) - 1n <= at(result.to, last)) {
      if (at(to, index) > at(result.to, last)) result.to[last] = at(to, index);
    } else {
      result.from[count] = at(from, index);
      result.to[count] = at(to, index);
      count++;
    }
  }
  return count === from.length ? result : sliceRuns(result, 0, count);
}

function columnsOf(ranges: readonly SerialRange[]): SerialRuns {
  return {
    from: BigUint64Array.from(ranges, ({ from }) => from),
    to: BigUint64Array.from(ranges, ({ to }) => to),
  };
}

function isSerial(serial: bigint): boolean {
  return serial > 0n && serial <= largestSerial;
}

function notRevocable(): SallyportError {
  return new SallyportError(
    'krl_malformed',
    'The revocation list was not made: serials run from 1 to 2^64 - 1, and a range from its smaller end to its larger.',
  );
}
