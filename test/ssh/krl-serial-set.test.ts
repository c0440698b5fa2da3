import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { namedRanges, parsedSerials, serialReaders } from '../../src/ssh/parse-krl-serials.ts';
import { SerialSet } from '../../src/ssh/serial-set.ts';
import { WireReader } from '../../src/ssh/wire.ts';
import { codeOf } from './refusal.ts';

/** What somebody else reads out of the bytes. */
function read(encoded: Buffer): { from: bigint; to: bigint }[] {
  const found = { serials: [], ranges: [], bitmaps: [] };
  const reader = new WireReader(encoded, 'krl_malformed', 'list');
  while (reader.hasMore) {
    const kind = reader.u8();
    serialReaders.get(kind)?.(new WireReader(reader.string(), 'krl_malformed', 'part'), found);
  }
  return namedRanges(parsedSerials(found));
}

/** Serials that begin a chunk, by the rule in serial-set.ts: neighbours and boundaries are where mistakes live. */
const chunkStarts = Array.from({ length: 400_000 }, (_, index) => BigInt(index + 1)).filter(
  (serial) => BigInt.asUintN(64, serial * 0x9e37_79b9_7f4a_7c15n) < 2n ** 52n,
);
const nearChunkStart = fc
  .tuple(fc.constantFrom(...chunkStarts), fc.integer({ min: -3, max: 3 }))
  .map(([start, step]) => start + BigInt(step))
  .filter((serial) => serial > 0n);
const serial = fc.oneof(
  { weight: 4, arbitrary: nearChunkStart },
  { weight: 2, arbitrary: fc.bigInt({ min: 1n, max: 300n }) },
  { weight: 1, arbitrary: fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }) },
  { weight: 1, arbitrary: fc.constantFrom(1n, 2n, 2n ** 64n - 1n, 2n ** 64n - 2n) },
);
const range = fc
  .tuple(nearChunkStart, fc.bigInt({ min: 0n, max: 9_000n }))
  .map(([from, length]) => ({ from, to: from + length }));
const changes = fc.array(
  fc.record({
    added: fc.array(serial, { maxLength: 12 }),
    addedRanges: fc.array(range, { maxLength: 1 }),
    removed: fc.array(serial, { maxLength: 12 }),
  }),
  { maxLength: 12 },
);

describe('a set of serials', () => {
  test('is the same bytes whatever order its serials came and went in, and exactly these serials', () => {
    fc.assert(
      fc.property(fc.array(serial, { maxLength: 60 }), changes, (first, steps) => {
        const expected = new Set(first);
        let set = SerialSet.of(first);
        for (const { added, addedRanges, removed } of steps) {
          set.encode(); // fills what is kept for the next step
          set = set.change({ added, addedRanges, removed });
          for (const gone of removed) expected.delete(gone);
          for (const come of added) expected.add(come);
          for (const { from, to } of addedRanges) {
            for (let come = from; come <= to; come++) expected.add(come);
          }
        }
        const scratch = SerialSet.of([...expected]);
        expect(set.encode().equals(scratch.encode())).toBe(true);
        expect(set.isEmpty).toBe(expected.size === 0);
        expect([...expected].every((known) => set.has(known))).toBe(true);
        const sorted = [...expected].sort((a, b) => (a < b ? -1 : 1));
        const listed = read(set.encode()).flatMap(({ from, to }) =>
          Array.from({ length: Number(to - from) + 1 }, (_, step) => from + BigInt(step)),
        );
        expect(listed).toEqual(sorted);
      }),
      { numRuns: 150 },
    );
  });

  test('of many chunks is the same bytes after changes of all of them', () => {
    const every = (step: number, offset: number) =>
      Array.from({ length: 60_000 }, (_, index) => BigInt(index * step + offset));
    const [odd, even, scattered] = [every(2, 1), every(2, 2), every(1009, 200_000)];
    const all = SerialSet.of([...odd, ...even, ...scattered]);
    const grown = SerialSet.of(odd).change({ added: scattered }).change({ added: even });
    expect(grown.encode().equals(all.encode())).toBe(true);
    const shrunk = grown.change({ removed: even });
    expect(shrunk.encode().equals(SerialSet.of([...odd, ...scattered]).encode())).toBe(true);
    expect(shrunk.change({ removed: [...odd, ...scattered] }).isEmpty).toBe(true);
  });

  test('does not change itself', () => {
    const set = SerialSet.of([1n, 5n, 9n]);
    const before = set.encode();
    set.change({ added: [7n], removed: [5n] });
    expect(set.encode()).toEqual(before);
    expect([set.has(5n), set.has(7n)]).toEqual([true, false]);
  });

  test.each([0n, -1n, 2n ** 64n])('refuses serial %s, which no list can name', (wrong) => {
    expect(codeOf(() => SerialSet.of([wrong]))).toBe('krl_malformed');
    expect(codeOf(() => SerialSet.of([1n]).change({ added: [wrong] }))).toBe('krl_malformed');
  });
});
