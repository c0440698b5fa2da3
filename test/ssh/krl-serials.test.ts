import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { serialBitmap, serialList, serialRange } from '../../src/ssh/krl-format.ts';
import { SerialSet } from '../../src/ssh/serial-set.ts';

const largest = 2n ** 64n - 1n;

interface Part {
  readonly kind: number;
  readonly bytes: number;
}

/** Kinds and sizes of the sub-sections, as they stand in the bytes. */
function partsOf(
  serials: readonly bigint[] | BigUint64Array,
  ranges?: { from: bigint; to: bigint }[],
): Part[] {
  const encoded = SerialSet.of(serials, ranges).encode();
  const parts: Part[] = [];
  for (let offset = 0; offset < encoded.length; ) {
    const bytes = 5 + encoded.readUInt32BE(offset + 1);
    parts.push({ kind: encoded.readUInt8(offset), bytes });
    offset += bytes;
  }
  return parts;
}

const numbers = (count: number, of: (index: number) => number) =>
  Array.from({ length: count }, (_, index) => BigInt(of(index)));

describe('the shortest way to name serials', () => {
  test.each<[string, bigint[], Part[]]>([
    ['one serial is a list', [7n], [{ kind: serialList, bytes: 13 }]],
    ['two neighbours are a bitmap', [7n, 8n], [{ kind: serialBitmap, bytes: 18 }]],
    ['two that are far apart are a list', [7n, 2n ** 63n], [{ kind: serialList, bytes: 21 }]],
    ['a run is a range', numbers(1000, (index) => 5 + index), [{ kind: serialRange, bytes: 21 }]],
    [
      'every second of 100 is a bitmap',
      numbers(50, (i) => 1 + 2 * i),
      [{ kind: serialBitmap, bytes: 18 + 12 }],
    ],
    [
      'a list goes on behind a cluster',
      [1n, 10_000n, ...numbers(100, (i) => 20_000 + 3 * i), 50_000n, 70_000n],
      [
        { kind: serialList, bytes: 5 + 16 },
        { kind: serialBitmap, bytes: 18 + 37 },
        { kind: serialList, bytes: 5 + 16 },
      ],
    ],
    [
      'a long run between clusters is a range',
      [
        ...numbers(50, (i) => 1 + 2 * i),
        ...numbers(5000, (i) => 200 + i),
        ...numbers(50, (i) => 5300 + 2 * i),
      ],
      [
        { kind: serialBitmap, bytes: 18 + 12 },
        { kind: serialRange, bytes: 21 },
        { kind: serialBitmap, bytes: 18 + 12 },
      ],
    ],
    ['the largest serials', [largest - 2n, largest], [{ kind: serialBitmap, bytes: 18 }]],
  ])('%s', (_, serials, parts) => {
    expect(partsOf(serials)).toEqual(parts);
  });

  test('a bitmap has 16,384 bits and never one more', () => {
    // Where serial-set.ts begins no chunk, which would begin another bitmap too.
    const start = 3_000_000;
    const span = (bits: number) =>
      partsOf([...numbers(565, (index) => start + 29 * index), BigInt(start + bits - 1)]);
    expect(span(16_384)).toEqual([{ kind: serialBitmap, bytes: 5 + 8 + 4 + 2049 }]);
    expect(span(16_385)).toEqual([
      { kind: serialBitmap, bytes: 18 + Math.floor((29 * 564 + 1) / 8) },
      { kind: serialList, bytes: 13 },
    ]);
  });

  test('a range of all serials is 21 bytes', () => {
    expect(partsOf([5n], [{ from: 1n, to: largest }])).toEqual([{ kind: serialRange, bytes: 21 }]);
  });

  test('no way to cut a few runs into lists, ranges and bitmaps is shorter', () => {
    const few = fc.array(fc.tuple(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 60 })), {
      minLength: 1,
      maxLength: 7,
    });
    fc.assert(
      fc.property(few, (gapsAndLengths) => {
        let next = 0;
        const runs = gapsAndLengths.map(([gap, length]) => {
          const from = next + gap + 1;
          next = from + length - 1;
          return { from, to: next };
        });
        const ranges = runs.map(({ from, to }) => ({ from: BigInt(from), to: BigInt(to) }));
        expect(SerialSet.of([], ranges).encode().length).toBe(shortest(runs));
      }),
      { numRuns: 500 },
    );
  });
});

/** Tries every way. */
function shortest(runs: readonly { from: number; to: number }[]): number {
  if (runs.length === 0) return 0;
  let best = Number.POSITIVE_INFINITY;
  for (let end = 1; end <= runs.length; end++) {
    const part = runs.slice(0, end);
    const rest = shortest(runs.slice(end));
    const listed = part.reduce((sum, { from, to }) => sum + to - from + 1, 0);
    const bits = (part.at(-1)?.to ?? 0) - (part[0]?.from ?? 0) + 1;
    const ways = [5 + 8 * listed, 18 + Math.floor(bits / 8), end === 1 ? 21 : Number.POSITIVE_INFINITY];
    best = Math.min(best, rest + Math.min(...ways));
  }
  return best;
}
