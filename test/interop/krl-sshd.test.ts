import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeKrl } from '../../src/ssh/encode-krl.ts';
import type { KrlSection } from '../../src/ssh/krl.ts';
import { largestBitmapBits, serialBitmap } from '../../src/ssh/krl-format.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { isCertificateRevoked, parseKrl } from '../../src/ssh/parse-krl.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { SerialSet } from '../../src/ssh/serial-set.ts';
import { codeOf } from '../ssh/refusal.ts';
import { hasSshd, RevokingSshd, type Visitor } from './revoking-sshd.ts';
import { sshKeygenOutput, temporaryFolder } from './ssh-keygen.ts';

const folder = temporaryFolder();
const sshd = new RevokingSshd(folder);
const revokedKeys = folder.path('revoked_keys');
const ca = sshd.authority.publicKeyBlob;
const otherCa = sshd.otherAuthority.publicKeyBlob;
const largest = 2n ** 64n - 1n;
const [lostKey, keptKey] = [generateEd25519(), generateEd25519()];
const hash = (name: string, blob: Buffer) => createHash(name).update(blob).digest();
const every = (step: number, count: number, start = 1) =>
  Array.from({ length: count }, (_, index) => BigInt(start + index * step));

beforeAll(async () => {
  if (!hasSshd) return;
  install([{ kind: 'certificates', caPublicKey: ca, serials: [1n] }]);
  await sshd.start(revokedKeys);
});
afterAll(() => sshd.stop());

function install(sections: readonly KrlSection[], comment = 'sallyport ca.example.org'): Buffer {
  const bytes = encodeKrl({ version: 7n, generatedAt: 1_800_000_000n, comment, sections });
  writeFileSync(revokedKeys, bytes);
  return bytes;
}

interface Shape {
  readonly sections: readonly KrlSection[];
  readonly comment?: string;
  readonly revoked: () => Visitor;
  readonly neighbour: () => Visitor;
}

const bySerial = (name: string, serial: bigint) => () => sshd.visitor(name, { serial });
const serials = (named: readonly bigint[], revoked: bigint, neighbour: bigint): Shape => ({
  sections: [{ kind: 'certificates', caPublicKey: ca, serials: named }],
  revoked: bySerial('revoked', revoked),
  neighbour: bySerial('neighbour', neighbour),
});
const ranges = (from: bigint, to: bigint, revoked: bigint, neighbour: bigint): Shape => ({
  ...serials([], revoked, neighbour),
  sections: [{ kind: 'certificates', caPublicKey: ca, serials: [], ranges: [{ from, to }] }],
});
const keys = (...sections: KrlSection[]): Shape => ({
  sections,
  revoked: () => sshd.visitor('revoked', { serial: 5n }, lostKey),
  neighbour: () => sshd.visitor('neighbour', { serial: 5n }, keptKey),
});

/** Ends at the last bit of the longest bitmap that sshd takes; thin enough to be one sub-section. */
const longestBitmap = [...every(29, 565, 3_000_000), BigInt(3_000_000 + largestBitmapBits - 1)];
const mixed = [...every(1_000_003, 20), ...every(3, 300, 50_000_000), ...every(1, 5_000, 60_000_000)];

const shapes: Readonly<Record<string, Shape>> = {
  'one serial': serials([50n], 50n, 51n),
  'a list': serials([50n, 2n ** 40n, 2n ** 41n], 2n ** 40n, 2n ** 40n + 1n),
  'the first serial of all': serials([1n], 1n, 2n),
  'the last serial of all': serials([largest], largest, largest - 1n),
  'a range': serials(every(1, 1_000, 100), 1_099n, 1_100n),
  'a range of two': ranges(10n, 11n, 11n, 12n),
  'a range of one': ranges(10n, 10n, 10n, 11n),
  'all serials but the last': ranges(1n, largest - 1n, largest - 1n, largest),
  'all serials but the first': ranges(2n, largest, largest, 1n),
  'a bitmap': serials(every(2, 500, 1_000), 1_998n, 1_999n),
  'a bitmap of 16,384 bits': serials(longestBitmap, BigInt(3_000_000 + 16_383), BigInt(3_000_000 + 16_382)),
  'a bitmap at the end of all serials': serials(
    [largest - 4n, largest - 2n, largest],
    largest - 2n,
    largest - 1n,
  ),
  'many bitmaps': serials(every(10, 10_000), 99_991n, 99_992n),
  'every second serial of 100,000': serials(every(2, 50_000), 65_537n, 65_538n),
  'lists, bitmaps and ranges': serials(mixed, 50_000_003n, 50_000_004n),
  'an empty comment': { ...serials([50n], 50n, 51n), comment: '' },
  'a comment in Greek': { ...serials([50n], 50n, 51n), comment: 'κλειδιά' },
  'key IDs': {
    sections: [{ kind: 'certificates', caPublicKey: ca, serials: [], keyIds: ['alice', 'bob'] }],
    revoked: () => sshd.visitor('revoked', { serial: 5n, keyId: 'bob' }),
    neighbour: () => sshd.visitor('neighbour', { serial: 5n, keyId: 'bobby' }),
  },
  'serials and key IDs': {
    sections: [{ kind: 'certificates', caPublicKey: ca, serials: [6n], keyIds: ['bob'] }],
    revoked: () => sshd.visitor('revoked', { serial: 6n, keyId: 'alice' }),
    neighbour: () => sshd.visitor('neighbour', { serial: 5n, keyId: 'alice' }),
  },
  'a serial of whatever CA': {
    sections: [{ kind: 'certificates', caPublicKey: null, serials: [50n] }],
    revoked: () => sshd.visitor('revoked', { serial: 50n, by: sshd.otherAuthority }),
    neighbour: () => sshd.visitor('neighbour', { serial: 51n, by: sshd.otherAuthority }),
  },
  'two CAs': {
    sections: [
      { kind: 'certificates', caPublicKey: ca, serials: [50n] },
      { kind: 'certificates', caPublicKey: otherCa, serials: [60n] },
    ],
    revoked: () => sshd.visitor('revoked', { serial: 60n, by: sshd.otherAuthority }),
    neighbour: () => sshd.visitor('neighbour', { serial: 60n }),
  },
  'a key': keys({ kind: 'keys', blobs: [lostKey.publicKeyBlob] }),
  'the SHA1 of a key': keys({ kind: 'sha1', digests: [hash('sha1', lostKey.publicKeyBlob)] }),
  'the SHA256 of a key': keys({ kind: 'sha256', digests: [hash('sha256', lostKey.publicKeyBlob)] }),
  'a CA': {
    sections: [
      { kind: 'certificates', caPublicKey: ca, serials: [1n] },
      { kind: 'keys', blobs: [otherCa] },
    ],
    revoked: () => sshd.visitor('revoked', { serial: 5n, by: sshd.otherAuthority }),
    neighbour: () => sshd.visitor('neighbour', { serial: 5n }),
  },
  'everything at once': {
    ...keys(
      { kind: 'certificates', caPublicKey: ca, serials: mixed, keyIds: ['carol'] },
      { kind: 'certificates', caPublicKey: otherCa, serials: longestBitmap },
      { kind: 'certificates', caPublicKey: null, serials: [77n] },
      { kind: 'keys', blobs: [lostKey.publicKeyBlob] },
      { kind: 'sha1', digests: [hash('sha1', generateEd25519().publicKeyBlob)] },
      { kind: 'sha256', digests: [hash('sha256', generateEd25519().publicKeyBlob)] },
    ),
  },
};

describe.skipIf(!hasSshd)('revocation lists and a real sshd', () => {
  test('whoever is not listed gets in', async () => {
    install([{ kind: 'certificates', caPublicKey: ca, serials: [1n] }]);
    expect(await sshd.whoGetsIn(sshd.visitor('revoked', { serial: 50n }))).toBe('revoked');
  });

  test.each(Object.entries(shapes))(
    'a list of ours that names %s keeps out whom it names and nobody beside',
    async (_, { sections, comment, revoked, neighbour }) => {
      const krl = parseKrl(install(sections, comment));
      const [out, within] = [revoked(), neighbour()];
      expect(await sshd.whoGetsIn(out, within)).toBe('neighbour');
      expect([out, within].map(({ line }) => isCertificateRevoked(krl, parseCertificateLine(line)))).toEqual([
        true,
        false,
      ]);
    },
  );

  test('the longest bitmap among these is as long as sshd takes it', () => {
    const encoded = SerialSet.of(longestBitmap).encode();
    expect([encoded.readUInt8(0), encoded.readUInt32BE(1), encoded.length]).toEqual([
      serialBitmap,
      2061,
      2066,
    ]);
  });

  test('[abuse 111] what ssh-keygen -k writes can lock everybody out; ours of the same serials does not', async () => {
    const revoked = every(3, 40_000);
    const specification = folder.write('spec', revoked.map((serial) => `serial: ${serial}\n`).join(''));
    const authority = publicKeyLine({ type: 'ssh-ed25519', blob: ca });
    const caFile = folder.write('ca.pub', `${authority}\n`);
    sshKeygenOutput(['-q', '-k', '-f', revokedKeys, '-s', caFile, specification]);
    const [out, within] = [
      sshd.visitor('revoked', { serial: 1n + 3n * 39_999n }),
      sshd.visitor('neighbour', { serial: 3n * 39_999n }),
    ];
    expect(await sshd.whoGetsIn(out, within)).toBe('nobody');
    expect(codeOf(() => parseKrl(readFileSync(revokedKeys)))).toBe('krl_malformed');

    install([{ kind: 'certificates', caPublicKey: ca, serials: revoked }]);
    expect(await sshd.whoGetsIn(out, within)).toBe('neighbour');
  });
});
