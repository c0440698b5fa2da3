import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeKrl } from '../../src/ssh/encode-krl.ts';
import { isCertificateRevoked, parseKrl } from '../../src/ssh/parse-krl.ts';
import { ca, keyFromByte, userFields } from '../ssh/sample-certificate.ts';
import { askSshKeygen } from './query-krl.ts';
import { describeWithSshKeygen, temporaryFolder } from './ssh-keygen.ts';

const folder = temporaryFolder();
const otherCa = keyFromByte(3);
const largest = 2n ** 64n - 1n;

const start = fc.oneof(
  fc.bigInt({ min: 1n, max: 100_000n }),
  fc.bigInt({ min: 1n, max: largest }),
  fc.constantFrom(1n, largest, largest - 1n, largest - 16_383n, 2n ** 63n),
);
/** Serials as they come: alone, in runs, in blocks of every density. */
const cluster = fc
  .record({ start, step: fc.integer({ min: 1, max: 60 }), count: fc.integer({ min: 1, max: 500 }) })
  .map(({ start: first, step, count }) =>
    Array.from({ length: count }, (_, index) => first + BigInt(index * step)).filter(
      (serial) => serial <= largest,
    ),
  );
const range = fc.tuple(start, start).map(([a, b]) => (a < b ? { from: a, to: b } : { from: b, to: a }));
const section = fc.record({
  clusters: fc.array(cluster, { minLength: 1, maxLength: 6 }),
  ranges: fc.array(range, { maxLength: 2 }),
  keyIds: fc.subarray([userFields.keyId, 'bob', 'carol']),
});

/** Given by hand to see a failure again. */
const seed = Number(process.env['KRL_SEED'] ?? randomInt(2 ** 31));

describeWithSshKeygen('random revocation lists and ssh-keygen', () => {
  test(`ssh-keygen -Q and we agree on members and their neighbours (KRL_SEED=${seed})`, () => {
    fc.assert(
      fc.property(section, section, fc.boolean(), (mine, others, isForAll) => {
        const sections = [mine, others].map(({ clusters, ranges, keyIds }, index) => ({
          kind: 'certificates' as const,
          caPublicKey: index === 0 ? ca.blob : isForAll ? null : otherCa.blob,
          serials: clusters.flat(),
          ranges,
          keyIds,
        }));
        const bytes = encodeKrl({ version: 1n, generatedAt: 1n, comment: '', sections });
        const krlFile = folder.write('random', bytes);
        const krl = parseKrl(bytes);
        const asked = [...probes(mine), ...probes(others)].flatMap((serial) =>
          [ca, otherCa].map((by) => ({ serial, by, keyId: serial % 5n === 0n ? 'dora' : 'bob' })),
        );
        const ours = asked.map(({ serial, by, keyId }) =>
          isCertificateRevoked(krl, { ...userFields, serial, keyId, caPublicKey: by.blob }),
        );
        expect(ours).toEqual(askSshKeygen(folder, krlFile, asked));
        const isMember = (of: typeof mine, serial: bigint) =>
          of.clusters.some((serials) => serials.includes(serial)) ||
          of.ranges.some(({ from, to }) => from <= serial && serial <= to);
        const expected = asked.map(({ serial, by, keyId }) => {
          const others_ = isForAll || by === otherCa ? [others] : [];
          const asking = by === ca ? [mine, ...others_] : others_;
          return asking.some((of) => isMember(of, serial) || of.keyIds.includes(keyId));
        });
        expect(ours).toEqual(expected);
      }),
      { numRuns: 15, seed, endOnFailure: true },
    );
  });
});

/** Ends of clusters and ranges, some serials within, and what stands beside each. */
function probes({
  clusters,
  ranges,
}: {
  clusters: bigint[][];
  ranges: { from: bigint; to: bigint }[];
}): bigint[] {
  const members = [
    ...clusters.flatMap((serials) => [serials[0], serials[serials.length >> 1], serials.at(-1)]),
    ...ranges.flatMap(({ from, to }) => [from, to]),
  ].filter((serial) => serial !== undefined);
  return members
    .flatMap((serial) => [serial - 1n, serial, serial + 1n])
    .filter((serial) => serial > 0n && serial <= largest);
}
