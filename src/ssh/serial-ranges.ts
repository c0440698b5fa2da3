/** Sets of certificate serials (u64) as ranges: sorted, not empty, neither overlapping nor touching. */

export interface SerialRange {
  readonly from: bigint;
  /** Inclusive. */
  readonly to: bigint;
}

/** Whether a revocation list can name the range: serials run from 1 (KRLs ignore 0) to 2^64 - 1. */
export function isRevocable({ from, to }: SerialRange): boolean {
  return from > 0n && from <= to && to < 2n ** 64n;
}

/** The shortest list of ranges that covers exactly the given ones. */
export function mergeRanges(ranges: readonly SerialRange[]): SerialRange[] {
  const merged: SerialRange[] = [];
  for (const range of ranges.toSorted((a, b) => compare(a.from, b.from))) {
    const last = merged.at(-1);
    if (last !== undefined && range.from <= last.to + 1n) {
      merged[merged.length - 1] = { from: last.from, to: range.to > last.to ? range.to : last.to };
    } else {
      merged.push({ from: range.from, to: range.to });
    }
  }
  return merged;
}

/** Whether merged ranges hold a serial. */
export function holdsSerial(merged: readonly SerialRange[], serial: bigint): boolean {
  let low = 0;
  let high = merged.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const range = merged[middle];
    if (range === undefined || range.to < serial) low = middle + 1;
    else high = middle;
  }
  const candidate = merged[low];
  return candidate !== undefined && candidate.from <= serial;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : Number(a > b);
}
