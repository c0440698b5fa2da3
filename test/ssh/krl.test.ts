import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { encodeKrl } from '../../src/ssh/encode-krl.ts';
import type { CertificatesSection, Krl, KrlSection } from '../../src/ssh/krl.ts';
import {
  keyIdList,
  sectionNumbers,
  serialBitmap,
  serialList,
  serialRange,
} from '../../src/ssh/krl-format.ts';
import {
  isCertificateRevoked,
  isKeyRevoked,
  isRevoked,
  type ParsedKrl,
  parseKrl,
} from '../../src/ssh/parse-krl.ts';
import { namedRanges } from '../../src/ssh/parse-krl-serials.ts';
import { WireWriter } from '../../src/ssh/wire.ts';
import { codeOf } from './refusal.ts';
import { ca, issue, keyFromByte, subject, userFields } from './sample-certificate.ts';

const otherCa = keyFromByte(3);
const largest = 2n ** 64n - 1n;

function krlOf(...serials: bigint[]): Krl {
  return {
    version: 7n,
    generatedAt: 1_800_000_000n,
    comment: 'test',
    sections: [{ kind: 'certificates' as const, caPublicKey: ca.blob, serials }],
  };
}

/** A list with one section whose content nobody checked. */
function rawKrl(
  subsections: readonly (readonly [kind: number, data: Uint8Array])[],
  kind: number = sectionNumbers.certificates,
): Buffer {
  const section = new WireWriter().string(ca.blob).string('');
  for (const [subsection, data] of subsections) section.u8(subsection).string(data);
  return Buffer.concat([header({}), new WireWriter().u8(kind).string(section.bytes()).bytes()]);
}

function header(change: { magic?: bigint; format?: number; flags?: bigint; reserved?: string }): Buffer {
  return new WireWriter()
    .u64(change.magic ?? 0x5353484b524c0a00n)
    .u32(change.format ?? 1)
    .u64(7n)
    .u64(1_800_000_000n)
    .u64(change.flags ?? 0n)
    .string(change.reserved ?? '')
    .string('')
    .bytes();
}

const u64s = (...values: bigint[]) => {
  const writer = new WireWriter();
  for (const value of values) writer.u64(value);
  return writer.bytes();
};
const bitmap = (offset: bigint, bytes: Uint8Array) => new WireWriter().u64(offset).string(bytes).bytes();

const hash = (name: 'sha1' | 'sha256', blob: Buffer) => createHash(name).update(blob).digest();
const revokedRanges = ({ sections }: ParsedKrl) => sections.map((section) => namedRanges(section));

function certificates(change: Partial<CertificatesSection>): Krl {
  const section = {
    kind: 'certificates',
    caPublicKey: ca.blob,
    serials: [],
    ...change,
  } as CertificatesSection;
  return { ...krlOf(), sections: [section] };
}

describe('encoding', () => {
  test('keeps version, time and comment', () => {
    expect(parseKrl(encodeKrl(krlOf(5n)))).toMatchObject({
      version: 7n,
      generatedAt: 1_800_000_000n,
      comment: 'test',
    });
  });

  test('sorts, drops repetitions and revokes exactly the given serials', () => {
    const serials = [largest, 3n, 2n ** 53n + 1n, 10n, 11n, 12n, 13n, 3n, 20n, 21n];
    const krl = parseKrl(encodeKrl(krlOf(...serials)));
    expect(revokedRanges(krl)).toEqual([
      [
        { from: 3n, to: 3n },
        { from: 10n, to: 13n },
        { from: 20n, to: 21n },
        { from: 2n ** 53n + 1n, to: 2n ** 53n + 1n },
        { from: largest, to: largest },
      ],
    ]);
    for (const serial of serials) expect(isRevoked(krl, ca.blob, serial)).toBe(true);
    for (const neighbour of [1n, 2n, 4n, 9n, 14n, 19n, 22n, 2n ** 53n, 2n ** 53n + 2n, largest - 1n]) {
      expect(isRevoked(krl, ca.blob, neighbour)).toBe(false);
    }
  });

  test('takes whole ranges, up to the largest serial', () => {
    const ranges = [
      { from: 1n, to: 2n ** 50n },
      { from: largest - 9n, to: largest },
    ];
    expect(revokedRanges(parseKrl(encodeKrl(certificates({ serials: [5n], ranges }))))).toEqual([ranges]);
  });

  test('a serial is revoked for its own CA only, and in a section without a CA for every one', () => {
    const sections: KrlSection[] = [
      { kind: 'certificates', caPublicKey: ca.blob, serials: [1n] },
      { kind: 'certificates', caPublicKey: otherCa.blob, serials: [2n] },
      { kind: 'certificates', caPublicKey: null, serials: [3n] },
    ];
    const krl = parseKrl(encodeKrl({ ...krlOf(), sections }));
    const answers = [ca, otherCa, keyFromByte(4)].map(({ blob }) =>
      [1n, 2n, 3n, 4n].filter((serial) => isRevoked(krl, blob, serial)),
    );
    expect(answers).toEqual([[1n, 3n], [2n, 3n], [3n]]);
  });

  test.each<[string, Krl]>([
    ['serial 0', krlOf(0n)],
    ['a serial above 2^64 - 1', krlOf(largest + 1n)],
    ['serial 0 in a typed array', certificates({ serials: new BigUint64Array(2) })],
    ['no section', { ...krlOf(), sections: [] }],
    ['a section without serials', krlOf()],
    ['two sections for one CA', { ...krlOf(), sections: [...krlOf(1n).sections, ...krlOf(2n).sections] }],
    ['a range that runs backwards', certificates({ ranges: [{ from: 2n, to: 1n }] })],
    ['a range from 0', certificates({ ranges: [{ from: 0n, to: 1n }] })],
    ['a range beyond 2^64 - 1', certificates({ ranges: [{ from: 1n, to: largest + 1n }] })],
    ['a line end in its comment', { ...krlOf(1n), comment: 'a\nb' }],
    ['half a character in its comment', { ...krlOf(1n), comment: '\ud800' }],
    ['an empty key ID', certificates({ keyIds: [''] })],
    ['a key ID with a NUL', certificates({ keyIds: ['alice\0'] })],
    ['a key ID with a line end', certificates({ keyIds: ['alice\nbob'] })],
    ['a section without keys', { ...krlOf(), sections: [{ kind: 'keys', blobs: [] }] }],
    ['a section without hashes', { ...krlOf(), sections: [{ kind: 'sha1', digests: [] }] }],
    ['a SHA1 hash of 32 bytes', { ...krlOf(), sections: [{ kind: 'sha1', digests: [Buffer.alloc(32)] }] }],
    [
      'two sections of keys',
      {
        ...krlOf(),
        sections: [1, 2].map((byte) => ({ kind: 'keys' as const, blobs: [keyFromByte(byte).blob] })),
      },
    ],
  ])('refuses %s', (_, krl) => {
    expect(codeOf(() => encodeKrl(krl))).toBe('krl_malformed');
  });

  test.each<[string, KrlSection]>([
    ['as the CA of a section', { kind: 'certificates', caPublicKey: issue(userFields), serials: [1n] }],
    ['among the keys', { kind: 'keys', blobs: [issue(userFields)] }],
  ])('refuses a certificate in place of a key, %s', (_, section) => {
    expect(() => encodeKrl({ ...krlOf(), sections: [section] })).toThrow();
  });
});

describe('keys, hashes and key IDs', () => {
  const certificate = { ...userFields, publicKey: subject.blob, caPublicKey: ca.blob };
  const listOf = (...sections: KrlSection[]) => parseKrl(encodeKrl({ ...krlOf(), sections }));

  test.each<[string, (blob: Buffer) => KrlSection]>([
    ['as it is', (blob) => ({ kind: 'keys', blobs: [otherCa.blob, blob, blob] })],
    ['by SHA1', (blob) => ({ kind: 'sha1', digests: [hash('sha1', otherCa.blob), hash('sha1', blob)] })],
    [
      'by SHA256',
      (blob) => ({ kind: 'sha256', digests: [hash('sha256', blob), hash('sha256', otherCa.blob)] }),
    ],
  ])('a key revoked %s revokes its certificates and, if it is a CA, all that it signed', (_, sectionOf) => {
    for (const key of [subject, ca]) {
      const krl = listOf(sectionOf(key.blob));
      expect(isKeyRevoked(krl, key.blob)).toBe(true);
      expect(isKeyRevoked(krl, keyFromByte(9).blob)).toBe(false);
      expect(isCertificateRevoked(krl, certificate)).toBe(true);
    }
    const unrelated = listOf(sectionOf(keyFromByte(8).blob));
    expect(isCertificateRevoked(unrelated, certificate)).toBe(false);
  });

  test('a key ID is compared exactly, and counts for its own CA', () => {
    const krl = parseKrl(encodeKrl(certificates({ keyIds: ['alice@example.org/01ab', 'bob'] })));
    const answers = ['alice@example.org/01ab', 'Alice@example.org/01ab', 'alice@example.org/01ab ', 'bo'].map(
      (keyId) => isCertificateRevoked(krl, { ...certificate, keyId }),
    );
    expect(answers).toEqual([true, false, false, false]);
    expect(isCertificateRevoked(krl, { ...certificate, caPublicKey: otherCa.blob })).toBe(false);
  });

  test('a section may hold serials and key IDs', () => {
    const krl = parseKrl(encodeKrl(certificates({ serials: [5n], keyIds: ['bob'] })));
    expect([...(krl.sections[0]?.keyIds ?? [])]).toEqual(['bob']);
    expect(isCertificateRevoked(krl, { ...certificate, serial: 5n })).toBe(true);
    expect(isCertificateRevoked(krl, { ...certificate, serial: 6n })).toBe(false);
  });
});

/** A list with one section of this kind, whatever is in it. */
const rawSection = (kind: number, data: Uint8Array) =>
  Buffer.concat([header({}), new WireWriter().u8(kind).string(data).bytes()]);
const strings = (...values: Uint8Array[]) => {
  const writer = new WireWriter();
  for (const value of values) writer.string(value);
  return writer.bytes();
};

describe('parsing', () => {
  test.each([
    ['an empty file', Buffer.alloc(0)],
    ['a blank line', Buffer.from('\n')],
    ['comments only', Buffer.from('# nothing is revoked\n')],
    ['4,096 NULs', Buffer.alloc(4096)],
    ['a header and nothing else', header({})],
    ['another magic', Buffer.concat([header({ magic: 1n }), rawKrl([[serialList, u64s(1n)]]).subarray(44)])],
    [
      'another format version',
      Buffer.concat([header({ format: 2 }), rawKrl([[serialList, u64s(1n)]]).subarray(44)]),
    ],
    ['flags', Buffer.concat([header({ flags: 1n }), rawKrl([[serialList, u64s(1n)]]).subarray(44)])],
    [
      'a reserved field in use',
      Buffer.concat([header({ reserved: 'x' }), rawKrl([[serialList, u64s(1n)]]).subarray(44)]),
    ],
    ['bytes after its end', Buffer.concat([encodeKrl(krlOf(1n)), Buffer.alloc(1)])],
    ['an empty section', rawSection(1, Buffer.alloc(0))],
    ['a section without serials', rawKrl([])],
    ['an empty serial list', rawKrl([[serialList, Buffer.alloc(0)]])],
    ['half a serial', rawKrl([[serialList, u64s(1n).subarray(4)]])],
    ['serial 0', rawKrl([[serialList, u64s(0n)]])],
    ['a range from 0', rawKrl([[serialRange, u64s(0n, 5n)]])],
    ['a range that runs backwards', rawKrl([[serialRange, u64s(6n, 5n)]])],
    ['a range of three numbers', rawKrl([[serialRange, u64s(1n, 2n, 3n)]])],
    [
      'a bitmap of 16,385 bits',
      rawKrl([[serialBitmap, bitmap(1n, Buffer.from([1, ...Buffer.alloc(2048)]))]]),
    ],
    ['a bitmap without bits', rawKrl([[serialBitmap, bitmap(1n, Buffer.alloc(0))]])],
    ['a bitmap below zero', rawKrl([[serialBitmap, bitmap(1n, Buffer.from([0x80]))]])],
    ['a bitmap with needless zeros', rawKrl([[serialBitmap, bitmap(1n, Buffer.from([0, 1]))]])],
    ['a bitmap that names serial 0', rawKrl([[serialBitmap, bitmap(0n, Buffer.from([1]))]])],
    ['a bitmap beyond 2^64', rawKrl([[serialBitmap, bitmap(largest, Buffer.from([3]))]])],
    ['an empty list of key IDs', rawKrl([[keyIdList, Buffer.alloc(0)]])],
    ['a NUL in a key ID', rawKrl([[keyIdList, strings(Buffer.from('a\0b'))]])],
    ['two sections for one CA', Buffer.concat([encodeKrl(krlOf(1n)), encodeKrl(krlOf(2n)).subarray(48)])],
    ['a section of no keys', rawSection(2, Buffer.alloc(0))],
    ['a key that is none', rawSection(2, strings(Buffer.from('ssh-ed25519')))],
    ['a certificate among the keys', rawSection(2, strings(issue(userFields)))],
    ['a SHA1 hash of 19 bytes', rawSection(3, strings(Buffer.alloc(19)))],
    ['a SHA256 hash of 33 bytes', rawSection(5, strings(Buffer.alloc(33)))],
    ['hashes in no order', rawSection(3, strings(Buffer.alloc(20, 2), Buffer.alloc(20, 1)))],
  ])('refuses %s', (_, bytes) => {
    expect(codeOf(() => parseKrl(bytes))).toBe('krl_malformed');
  });

  test.each([
    ['a signature section', rawKrl([[serialList, u64s(1n)]], 4)],
    ['an optional extension section', rawSection(255, strings(Buffer.from('x@y')))],
    ['an unknown section', rawSection(6, strings(Buffer.alloc(32)))],
    [
      'extension 0x39 inside a section',
      rawKrl([
        [serialList, u64s(1n)],
        [0x39, Buffer.concat([strings(Buffer.from('x@y')), Buffer.from([0]), strings(Buffer.alloc(0))])],
      ]),
    ],
    ['an unknown part of a section', rawKrl([[0x24, u64s(1n)]])],
  ])('[abuse 112] refuses %s, about which versions of sshd differ', (_, bytes) => {
    expect(codeOf(() => parseKrl(bytes))).toBe('krl_malformed');
  });

  test('refuses a CA key that is no key', () => {
    const section = new WireWriter().string('key').string('').u8(serialList).string(u64s(1n)).bytes();
    expect(codeOf(() => parseKrl(rawSection(sectionNumbers.certificates, section)))).toBe('krl_malformed');
  });

  test('reads a bitmap, the lowest bit first', () => {
    const krl = parseKrl(rawKrl([[serialBitmap, bitmap(100n, Buffer.from([0x01, 0x05]))]]));
    expect(revokedRanges(krl)).toEqual([
      [
        { from: 100n, to: 100n },
        { from: 102n, to: 102n },
        { from: 108n, to: 108n },
      ],
    ]);
  });

  test('reads a bitmap of 16,384 bits up to the largest serial', () => {
    const bits = Buffer.concat([Buffer.from([0, 0x80]), Buffer.alloc(2046), Buffer.from([1])]);
    const krl = parseKrl(rawKrl([[serialBitmap, bitmap(largest - 16_383n, bits)]]));
    const members = [largest - 16_384n, largest - 16_383n, largest - 16_382n, largest - 1n, largest];
    expect(members.filter((serial) => isRevoked(krl, ca.blob, serial))).toEqual([largest - 16_383n, largest]);
  });

  test('reads lists, ranges and bitmaps in any order and over one another', () => {
    const krl = parseKrl(
      rawKrl([
        [serialBitmap, bitmap(10n, Buffer.from([0x05]))],
        [serialList, u64s(12n, 1n, 12n)],
        [serialBitmap, bitmap(10n, Buffer.from([0x02]))],
        [serialRange, u64s(11n, 13n)],
      ]),
    );
    expect(revokedRanges(krl)).toEqual([
      [
        { from: 1n, to: 1n },
        { from: 10n, to: 13n },
      ],
    ]);
  });

  test('a range of all serials and 4,000 bitmaps over one another take no memory to speak of', () => {
    const bits = Buffer.alloc(2048, 0x55);
    const parts: [number, Uint8Array][] = Array.from({ length: 4000 }, () => [
      serialBitmap,
      bitmap(1n, bits),
    ]);
    const bytes = rawKrl([[serialRange, u64s(1n, largest)], ...parts]);
    const before = process.memoryUsage();
    const krl = parseKrl(bytes);
    const after = process.memoryUsage();
    const grown = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
    expect(grown).toBeLessThan(8 * bytes.length);
    expect(isRevoked(krl, ca.blob, 2n ** 40n)).toBe(true);
  });

  test('refuses a list cut at any byte', () => {
    const bytes = encodeKrl(everyShape);
    const ends = sectionEnds(bytes);
    for (let length = 0; length < bytes.length; length++) {
      if (ends.includes(length)) continue;
      expect(
        codeOf(() => parseKrl(bytes.subarray(0, length))),
        `${length} bytes`,
      ).toBe('krl_malformed');
    }
    expect(ends).toHaveLength(everyShape.sections.length);
  });

  test('reads no changed byte as the same list', () => {
    const bytes = encodeKrl(everyShape);
    const original = parseKrl(bytes);
    for (let offset = 0; offset < bytes.length; offset++) {
      const changed = Buffer.from(bytes);
      changed[offset] = (changed[offset] ?? 0) ^ 1;
      expect(parsedOrRefused(changed), `byte ${offset}`).not.toEqual(original);
    }
  });
});

const everyShape: Krl = {
  ...krlOf(),
  sections: [
    { kind: 'certificates', caPublicKey: ca.blob, serials: [1n, 5n, 6n, 7n, 8n, 9n, largest] },
    {
      kind: 'certificates',
      caPublicKey: null,
      serials: Array.from({ length: 50 }, (_, index) => BigInt(1000 + 2 * index)),
      keyIds: ['alice', 'bob'],
    },
    { kind: 'keys', blobs: [otherCa.blob] },
    { kind: 'sha1', digests: [hash('sha1', ca.blob)] },
    { kind: 'sha256', digests: [hash('sha256', ca.blob), hash('sha256', otherCa.blob)] },
  ],
};

/** Where each section ends. */
function sectionEnds(bytes: Buffer): number[] {
  const ends: number[] = [];
  for (let offset = 44 + 'test'.length; offset < bytes.length; ) {
    offset += 5 + bytes.readUInt32BE(offset + 1);
    ends.push(offset);
  }
  return ends;
}

function parsedOrRefused(bytes: Buffer): unknown {
  try {
    return parseKrl(bytes);
  } catch {
    return codeOf(() => parseKrl(bytes));
  }
}
