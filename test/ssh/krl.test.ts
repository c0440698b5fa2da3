import { describe, expect, test } from 'vitest';
import { encodeKrl } from '../../src/ssh/encode-krl.ts';
import { type Krl, sectionNumbers, serialBitmap, serialList, serialRange } from '../../src/ssh/krl.ts';
import { isRevoked, parseKrl } from '../../src/ssh/parse-krl.ts';
import { WireWriter } from '../../src/ssh/wire.ts';
import { codeOf } from './refusal.ts';
import { ca, keyFromByte } from './sample-certificate.ts';

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
    expect(krl.sections[0]?.ranges).toEqual([
      { from: 3n, to: 3n },
      { from: 10n, to: 13n },
      { from: 20n, to: 21n },
      { from: 2n ** 53n + 1n, to: 2n ** 53n + 1n },
      { from: largest, to: largest },
    ]);
    for (const serial of serials) expect(isRevoked(krl, ca.blob, serial)).toBe(true);
    for (const neighbour of [1n, 2n, 4n, 9n, 14n, 19n, 22n, 2n ** 53n, 2n ** 53n + 2n, largest - 1n]) {
      expect(isRevoked(krl, ca.blob, neighbour)).toBe(false);
    }
  });

  test('takes whole ranges, up to the largest serial', () => {
    const sections = [
      {
        kind: 'certificates' as const,
        caPublicKey: ca.blob,
        serials: [5n],
        ranges: [
          { from: 1n, to: 2n ** 50n },
          { from: largest - 9n, to: largest },
        ],
      },
    ];
    const krl = parseKrl(encodeKrl({ ...krlOf(), sections }));
    expect(krl.sections[0]?.ranges).toEqual([
      { from: 1n, to: 2n ** 50n },
      { from: largest - 9n, to: largest },
    ]);
  });

  test('a dense run of 100,000 serials is a range of a few bytes, not a bitmap', () => {
    const serials = Array.from({ length: 100_000 }, (_, index) => BigInt(index + 1));
    expect(encodeKrl(krlOf(...serials)).length).toBeLessThan(150);
  });

  test('a serial is revoked for its own CA only', () => {
    const sections = [
      { kind: 'certificates' as const, caPublicKey: ca.blob, serials: [1n] },
      { kind: 'certificates' as const, caPublicKey: otherCa.blob, serials: [2n] },
    ];
    const krl = parseKrl(encodeKrl({ ...krlOf(), sections }));
    const answers = [ca, otherCa, keyFromByte(4)].map(({ blob }) => [
      isRevoked(krl, blob, 1n),
      isRevoked(krl, blob, 2n),
    ]);
    expect(answers).toEqual([
      [true, false],
      [false, true],
      [false, false],
    ]);
  });

  test.each([
    ['serial 0', krlOf(0n)],
    ['a serial above 2^64 - 1', krlOf(largest + 1n)],
    ['no section', { ...krlOf(), sections: [] }],
    ['a section without serials', krlOf()],
    ['two sections for one CA', { ...krlOf(), sections: [...krlOf(1n).sections, ...krlOf(2n).sections] }],
    [
      'a range that runs backwards',
      {
        ...krlOf(),
        sections: [
          {
            kind: 'certificates' as const,
            caPublicKey: ca.blob,
            serials: [],
            ranges: [{ from: 2n, to: 1n }],
          },
        ],
      },
    ],
    ['a line end in its comment', { ...krlOf(1n), comment: 'a\nb' }],
  ])('refuses %s', (_, krl) => {
    expect(codeOf(() => encodeKrl(krl))).toBe('krl_malformed');
  });
});

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
    ['a signature section', rawKrl([[serialList, u64s(1n)]], 4)],
    ['an explicit key section', rawKrl([[serialList, u64s(1n)]], 2)],
    ['an extension section', rawKrl([[serialList, u64s(1n)]], 255)],
    ['key IDs', rawKrl([[0x23, new WireWriter().string('alice').bytes()]])],
    [
      'an extension inside a section',
      rawKrl([
        [serialList, u64s(1n)],
        [0x39, Buffer.alloc(0)],
      ]),
    ],
    ['a section without serials', rawKrl([])],
    ['an empty serial list', rawKrl([[serialList, Buffer.alloc(0)]])],
    ['half a serial', rawKrl([[serialList, u64s(1n).subarray(4)]])],
    ['serial 0', rawKrl([[serialList, u64s(0n)]])],
    ['a range from 0', rawKrl([[serialRange, u64s(0n, 5n)]])],
    ['a range that runs backwards', rawKrl([[serialRange, u64s(6n, 5n)]])],
    ['a range of three numbers', rawKrl([[serialRange, u64s(1n, 2n, 3n)]])],
    ['a bitmap of 16,392 bits', rawKrl([[serialBitmap, bitmap(1n, Buffer.alloc(2050, 1))]])],
    ['a bitmap beyond 2^64', rawKrl([[serialBitmap, bitmap(largest, Buffer.from([3]))]])],
    ['two sections for one CA', Buffer.concat([encodeKrl(krlOf(1n)), encodeKrl(krlOf(2n)).subarray(48)])],
  ])('refuses %s', (_, bytes) => {
    expect(codeOf(() => parseKrl(bytes))).toBe('krl_malformed');
  });

  test('refuses a CA key that is no key', () => {
    const section = new WireWriter().string('').string('').u8(serialList).string(u64s(1n)).bytes();
    const bytes = Buffer.concat([
      header({}),
      new WireWriter().u8(sectionNumbers.certificates).string(section).bytes(),
    ]);
    expect(codeOf(() => parseKrl(bytes))).toBe('krl_malformed');
  });

  test('reads a bitmap, the lowest bit first', () => {
    const krl = parseKrl(rawKrl([[serialBitmap, bitmap(100n, Buffer.from([0x01, 0x05]))]]));
    expect(krl.sections[0]?.ranges).toEqual([
      { from: 100n, to: 100n },
      { from: 102n, to: 102n },
      { from: 108n, to: 108n },
    ]);
  });

  test('refuses a list cut at any byte', () => {
    const bytes = encodeKrl(krlOf(1n, 5n, 6n, 7n, 8n, largest));
    for (let length = 0; length < bytes.length; length++) {
      expect(codeOf(() => parseKrl(bytes.subarray(0, length)))).toBe('krl_malformed');
    }
  });

  test('reads no changed byte as the same list', () => {
    const bytes = encodeKrl(krlOf(1n, 5n, 6n, 7n, 8n, largest));
    const original = parseKrl(bytes);
    for (let offset = 0; offset < bytes.length; offset++) {
      const changed = Buffer.from(bytes);
      changed[offset] = (changed[offset] ?? 0) ^ 1;
      expect(parsedOrRefused(changed), `byte ${offset}`).not.toEqual(original);
    }
  });
});

function parsedOrRefused(bytes: Buffer): unknown {
  try {
    return parseKrl(bytes);
  } catch {
    return codeOf(() => parseKrl(bytes));
  }
}
