/** Revocation lists of every shape. */
import fc from 'fast-check';
import type { Krl, KrlSection } from '../../src/ssh/krl.ts';
import type { SerialRange } from '../../src/ssh/serial-ranges.ts';
import { anyKey, bytes, keys, largestU64, printable, serial } from './arbitraries.ts';

const range: fc.Arbitrary<SerialRange> = fc
  .tuple(serial, fc.oneof(fc.bigInt(0n, 100n), fc.bigInt(0n, 2n ** 40n)))
  .map(([from, length]) => ({ from, to: from + length > largestU64 ? largestU64 : from + length }));

/** Near one another in places, so that lists, ranges and bitmaps are all the shortest somewhere. */
const serials: fc.Arbitrary<bigint[]> = fc
  .array(fc.tuple(serial, fc.array(fc.bigInt(0n, 300n), { maxLength: 60 })), { maxLength: 4 })
  .map((groups) =>
    groups
      .flatMap(([start, steps]) => [start, ...steps.map((step) => start + step)])
      .filter((one) => one <= largestU64),
  );

const revoked = fc
  .record({
    serials,
    ranges: fc.array(range, { maxLength: 3 }),
    keyIds: fc.array(printable, { maxLength: 3 }),
  })
  .filter(({ serials, ranges, keyIds }) => serials.length + ranges.length + keyIds.length > 0);

const certificates: fc.Arbitrary<KrlSection[]> = fc
  .uniqueArray(fc.constantFrom(null, ...keys.map(({ blob }) => blob)), { maxLength: 3 })
  .chain((authorities) =>
    fc.tuple(
      ...authorities.map((caPublicKey) =>
        revoked.map((section): KrlSection => ({ kind: 'certificates', caPublicKey, ...section })),
      ),
    ),
  );

const others: fc.Arbitrary<KrlSection[]> = fc.subarray(['keys', 'sha1', 'sha256'] as const).chain((kinds) =>
  fc.tuple(
    ...kinds.map((kind): fc.Arbitrary<KrlSection> => {
      if (kind === 'keys') {
        return fc
          .array(anyKey, { minLength: 1, maxLength: 3 })
          .map((some) => ({ kind, blobs: some.map(({ blob }) => blob) }));
      }
      const length = kind === 'sha1' ? 20 : 32;
      return fc
        .array(bytes(length, length), { minLength: 1, maxLength: 3 })
        .map((digests) => ({ kind, digests }));
    }),
  ),
);

export const krl: fc.Arbitrary<Krl> = fc
  .record({
    version: fc.bigInt(0n, largestU64),
    generatedAt: fc.bigInt(0n, largestU64),
    comment: fc.oneof(fc.constant(''), printable),
    certificates,
    others,
  })
  .map(({ certificates, others, ...header }) => ({ ...header, sections: [...certificates, ...others] }))
  .filter(({ sections }) => sections.length > 0);
