import { expect, test } from 'vitest';
import { encodeKrl } from '../../src/ssh/encode-krl.ts';
import type { Krl } from '../../src/ssh/krl.ts';
import { isKeyRevoked, isRevoked, parseKrl } from '../../src/ssh/parse-krl.ts';
import { krlOf, meaningOf } from '../ssh/krl-meaning.ts';
import { keys, largestU64 } from './arbitraries.ts';
import { holds } from './holds.ts';
import { krl } from './krl-arbitraries.ts';

test('every revocation list revokes, once read, the serials it was made of and none of their neighbours', async () => {
  await holds(200, [krl], (list) => {
    const parsed = parseKrl(encodeKrl(list));
    const { version, generatedAt, comment } = parsed;
    expect({ version, generatedAt, comment }).toEqual({
      version: list.version,
      generatedAt: list.generatedAt,
      comment: list.comment,
    });
    for (const { blob } of keys) {
      for (const serial of endsAndNeighbours(list)) {
        expect(isRevoked(parsed, blob, serial)).toBe(isMeant(list, blob, serial));
      }
      expect(isKeyRevoked(parsed, blob)).toBe(isKeyMeant(list, blob));
    }
  });
});

test('every revocation list that was read means the same when it is written again, in the same bytes', async () => {
  await holds(200, [krl], (list) => {
    const bytes = encodeKrl(list);
    const parsed = parseKrl(bytes);
    const again = encodeKrl(krlOf(parsed));
    expect(meaningOf(parseKrl(again))).toBe(meaningOf(parsed));
    expect(encodeKrl(krlOf(parseKrl(again))).equals(again)).toBe(true);
  });
});

function endsAndNeighbours({ sections }: Krl): bigint[] {
  const ends = sections.flatMap((section) => {
    if (section.kind !== 'certificates' || !Array.isArray(section.serials)) return [];
    const serials: readonly bigint[] = section.serials;
    return [...serials.slice(0, 20), ...(section.ranges ?? []).flatMap(({ from, to }) => [from, to])];
  });
  const probes = ends.flatMap((serial) => [serial - 1n, serial, serial + 1n]);
  return [...new Set(probes)].filter((serial) => serial > 0n && serial <= largestU64);
}

function isMeant({ sections }: Krl, ca: Buffer, serial: bigint): boolean {
  return sections.some((section) => {
    if (section.kind !== 'certificates' || !Array.isArray(section.serials)) return false;
    if (section.caPublicKey !== null && !section.caPublicKey.equals(ca)) return false;
    const ranges = section.ranges ?? [];
    return section.serials.includes(serial) || ranges.some(({ from, to }) => from <= serial && serial <= to);
  });
}

function isKeyMeant({ sections }: Krl, blob: Buffer): boolean {
  return sections.some((section) => section.kind === 'keys' && section.blobs.some((one) => one.equals(blob)));
}
