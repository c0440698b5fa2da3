/**
 * Ways in which a KRL file can be wrong, and what sshd makes of each: that everybody gets in is the worst, because
 * nobody complains. Told by OpenSSH 9.2; where versions differ, or a login would wait, nothing is said.
 */
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { runProgram } from '../../src/gateway/run-program.ts';
import { encodeKrl } from '../../src/ssh/encode-krl.ts';
import type { KrlSection } from '../../src/ssh/krl.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { WireWriter } from '../../src/ssh/wire.ts';

export type Effect = 'everybody gets in' | 'nobody gets in' | 'in force' | 'not asked';

/** Serials of the list: the CA's canary, whom the test sees refused, and whom it sees accepted. */
export const canary = 1n;
export const revoked = 5_000n;
export const accepted = 5_001n;

export interface Authorities {
  readonly version: bigint;
  readonly ca: Buffer;
  readonly otherCa: Buffer;
}

export interface Damage {
  readonly effect: Effect;
  readonly name: string;
  /** The wrong bytes. */
  readonly bytes?: (good: Buffer, authorities: Authorities) => Buffer;
  /** Or another thing in place of the file. */
  readonly replace?: (path: string, good: Buffer) => Promise<void>;
  /** Signed by the right key it would be a list like any other: the signature alone tells. */
  readonly onlySignatureTells: boolean;
}

const lost = generateEd25519().publicKeyBlob;
const comment = 'sallyport localhost';
const headerBytes = 44 + comment.length;

/** The section of a CA that is not asked about stands first; then list, range, bitmap, and a key. */
export function goodKrl(authorities: Authorities): Buffer {
  return encodeKrl({
    version: authorities.version,
    generatedAt: 1_800_000_000n,
    comment,
    sections: sectionsOf(authorities),
  });
}

const mainSerials = [
  canary,
  revoked,
  70_000n,
  ...Array.from({ length: 1_000 }, (_, index) => 20_000n + BigInt(index)),
  ...Array.from({ length: 200 }, (_, index) => 40_000n + BigInt(2 * index)),
];

function sectionsOf({ ca, otherCa }: Authorities): KrlSection[] {
  return [
    { kind: 'certificates', caPublicKey: otherCa, serials: [canary, 900n] },
    { kind: 'certificates', caPublicKey: ca, serials: mainSerials },
    { kind: 'keys', blobs: [lost] },
  ];
}

/** Another list, whole in itself. */
function listOf({ version }: Authorities, sections: readonly KrlSection[]): Buffer {
  return encodeKrl({ version, generatedAt: 1_800_000_000n, comment, sections });
}

/** The good list with a section's bytes put in place of, or behind, what it has. */
function withMainSection(good: Buffer, { ca }: Authorities, parts: Buffer): Buffer {
  const section = new WireWriter().string(ca).string('').raw(parts).bytes();
  const [, main = headerBytes, keys] = sectionStarts(good);
  const replaced = new WireWriter().u8(1).string(section).bytes();
  return Buffer.concat([good.subarray(0, main), replaced, good.subarray(keys)]);
}

function sectionStarts(krl: Buffer): number[] {
  const starts: number[] = [];
  for (let offset = headerBytes; offset < krl.length; offset += 5 + krl.readUInt32BE(offset + 1))
    starts.push(offset);
  return starts;
}

const mainStart = (good: Buffer) => sectionStarts(good)[1] ?? 0;
const keysStart = (good: Buffer) => sectionStarts(good)[2] ?? 0;
/** Where the parts of the main section begin: behind its type, length, CA key and reserved field. */
const partsStart = (good: Buffer) => mainStart(good) + 5 + 4 + 51 + 4;

const part = (kind: number, data: Uint8Array) => new WireWriter().u8(kind).string(data).bytes();
const u64s = (...values: bigint[]) => {
  const writer = new WireWriter();
  for (const value of values) writer.u64(value);
  return writer.bytes();
};
/** What keeps canary and revoked serial listed where another part is wrong. */
const rightList = part(0x20, u64s(canary, revoked));
const bitmap = (offset: bigint, bits: Uint8Array) =>
  part(0x22, new WireWriter().u64(offset).string(bits).bytes());

function patched(good: Buffer, offset: number, bytes: readonly number[]): Buffer {
  const copy = Buffer.from(good);
  copy.set(bytes, offset);
  return copy;
}

function flipped(good: Buffer, offset: number, bit = 0): Buffer {
  return patched(good, offset, [(good[offset] ?? 0) ^ (1 << bit)]);
}

const appended = (good: Buffer, ...more: Uint8Array[]) => Buffer.concat([good, ...more]);
const section = (kind: number, data: Uint8Array) => part(kind, data);
const text = (content: string) => () => Buffer.from(content);
const cutTo = (length: (good: Buffer) => number) => (good: Buffer) => good.subarray(0, length(good));
const extension = (isCritical: number) =>
  new WireWriter().string('test@example.org').u8(isCritical).string('').bytes();
const html = '<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body>502</body></html>\n';

const open = 'everybody gets in';
const locked = 'nobody gets in';
const inForce = 'in force';
const differs = 'not asked';

type Row = readonly [Effect, string, (good: Buffer, authorities: Authorities) => Buffer];

/** Refused even if the right key signed it. */
const wrongBytes: readonly Row[] = [
  // Not a KRL at all.
  [open, 'empty', text('')],
  [open, 'a blank line', text('\n')],
  [open, 'blanks', text(' '.repeat(100))],
  [locked, 'tabs and line ends', text('\t\r\n\t\r\n')],
  [open, 'a comment', text('# nothing is revoked\n')],
  [open, 'a comment without an end', text('#')],
  [open, 'one NUL', () => Buffer.alloc(1)],
  [open, '44 NULs', () => Buffer.alloc(44)],
  [open, '4,096 NULs', () => Buffer.alloc(4096)],
  [open, 'NULs in place of its bytes', (good) => Buffer.alloc(good.length)],
  [locked, '4,096 bytes of ones', () => Buffer.alloc(4096, 0xff)],
  [locked, 'an error page', text(html)],
  [locked, 'an error in JSON', text('{"code":"unavailable","detail":"down"}\n')],
  [locked, 'gzip', (good) => gzipSync(good)],
  [locked, 'base64', (good) => Buffer.from(good.toString('base64'))],
  [locked, 'hex', (good) => Buffer.from(good.toString('hex'))],
  [locked, 'a specification for ssh-keygen -k', text(`serial: ${revoked}\n`)],
  [open, 'a file of other people’s keys', () => Buffer.from(`${lineOf(lost)}\n`)],
  [locked, 'a file with the CA’s key', (_, { ca }) => Buffer.from(`${lineOf(ca)}\n`)],
  [locked, 'authorized keys with options', () => Buffer.from(`restrict,pty ${lineOf(lost)}\n`)],
  [locked, 'a private key', () => Buffer.from(generateEd25519().openssh('test'))],
  [
    locked,
    'PEM',
    (good) => Buffer.from(`-----BEGIN X509 CRL-----\n${good.toString('base64')}\n-----END X509 CRL-----\n`),
  ],
  // Changed on the way.
  [locked, 'a byte order mark in front', (good) => appended(Buffer.from('\ufeff'), good)],
  [locked, 'UTF-16', (good) => Buffer.from(good.toString('latin1'), 'utf16le')],
  [
    locked,
    'line ends as on Windows',
    (good) => Buffer.from(good.toString('latin1').replaceAll('\n', '\r\n'), 'latin1'),
  ],
  [locked, 'UTF-8 with replacement characters', (good) => Buffer.from(good.toString('utf8'))],
  [locked, 'seven bits of each byte', (good) => Buffer.from(good.map((byte) => byte & 0x7f))],
  [locked, 'NULs left out', (good) => Buffer.from(good.filter((byte) => byte !== 0))],
  [locked, 'a blank in front', (good) => appended(Buffer.from(' '), good)],
  [locked, 'a line end in front', (good) => appended(Buffer.from('\n'), good)],
  [locked, 'a line end behind', (good) => appended(good, Buffer.from('\n'))],
  [locked, 'a NUL behind', (good) => appended(good, Buffer.alloc(1))],
  [locked, 'words behind', (good) => appended(good, Buffer.from('and more'))],
  [locked, 'itself twice', (good) => appended(good, good)],
  [
    locked,
    'its halves exchanged',
    (good) => appended(good.subarray(good.length >> 1), good.subarray(0, good.length >> 1)),
  ],
  // Cut.
  [locked, 'cut after 1 byte', cutTo(() => 1)],
  [locked, 'cut within its magic', cutTo(() => 7)],
  [locked, 'cut after its magic', cutTo(() => 8)],
  [locked, 'cut within its format version', cutTo(() => 10)],
  [locked, 'cut within its version', cutTo(() => 16)],
  [locked, 'cut within its time', cutTo(() => 25)],
  [locked, 'cut within its flags', cutTo(() => 30)],
  [locked, 'cut within its reserved field', cutTo(() => 38)],
  [locked, 'cut after 44 bytes', cutTo(() => 44)],
  [locked, 'cut within its comment', cutTo(() => 50)],
  [open, 'cut after its header', cutTo(() => headerBytes)],
  [open, 'a header of 44 bytes', ({ length: _ }, { version }) => header({ version })],
  [locked, 'cut after a section’s type', cutTo((good) => mainStart(good) + 1)],
  [locked, 'cut within a section’s length', cutTo((good) => mainStart(good) + 3)],
  [locked, 'cut after a section’s length', cutTo((good) => mainStart(good) + 5)],
  [locked, 'cut within a CA key', cutTo((good) => mainStart(good) + 30)],
  [locked, 'cut within a section', cutTo((good) => partsStart(good))],
  [locked, 'cut within a list', cutTo((good) => partsStart(good) + 5 + 12)],
  [locked, 'cut within a bitmap', cutTo((good) => keysStart(good) - 10)],
  [open, 'cut between sections', cutTo(mainStart)],
  [locked, 'cut in half', cutTo((good) => good.length >> 1)],
  [locked, 'cut by one byte', cutTo((good) => good.length - 1)],
  // The header.
  [locked, 'another magic', (good) => flipped(good, 3)],
  [locked, 'a magic in lower case', (good) => patched(good, 0, [...Buffer.from('sshkrl')])],
  [locked, 'format version 0', (good) => patched(good, 8, [0, 0, 0, 0])],
  [locked, 'format version 2', (good) => patched(good, 8, [0, 0, 0, 2])],
  [inForce, 'an older version', (good) => flipped(good, 19, 0)],
  [inForce, 'version 0', (good) => patched(good, 12, [0, 0, 0, 0, 0, 0, 0, 0])],
  [inForce, 'flags', (good) => flipped(good, 35)],
  [
    inForce,
    'something in its reserved field',
    (good, { version }) => appended(header({ version, reserved: 'x' }), good.subarray(headerBytes)),
  ],
  [locked, 'a NUL in its comment', (good) => patched(good, 46, [0])],
  [inForce, 'a comment that is no text', (good) => patched(good, 46, [0xff])],
  [locked, 'a comment of 4 GB', (good) => patched(good, 40, [0xff, 0xff, 0xff, 0xff])],
  // Sections.
  [locked, 'a section of type 0', (good) => appended(good, section(0, Buffer.alloc(0)))],
  [locked, 'a section of type 6', (good) => appended(good, section(6, Buffer.alloc(8)))],
  [locked, 'a section of type 32', (good) => flipped(good, mainStart(good), 5)],
  [
    differs,
    'a signature',
    (good, { ca }) => appended(good, section(4, ca), new WireWriter().string('x').bytes()),
  ],
  [differs, 'an optional extension', (good) => appended(good, section(255, extension(0)))],
  [locked, 'a critical extension', (good) => appended(good, section(255, extension(1)))],
  [locked, 'an empty section of certificates', (good) => appended(good, section(1, Buffer.alloc(0)))],
  [inForce, 'an empty section of keys', (good) => appended(good, section(2, Buffer.alloc(0)))],
  [inForce, 'an empty section of hashes', (good) => appended(good, section(5, Buffer.alloc(0)))],
  [locked, 'a section that says to be longer', (good) => flipped(good, mainStart(good) + 4, 4)],
  [locked, 'a section of 4 GB', (good) => patched(good, mainStart(good) + 1, [0xff, 0xff, 0xff, 0xff])],
  [locked, 'a section of no bytes', (good) => patched(good, mainStart(good) + 1, [0, 0, 0, 0])],
  [inForce, 'its section twice', (good) => appended(good, good.subarray(mainStart(good), keysStart(good)))],
  [locked, 'a CA key of a type that is none', (good) => flipped(good, mainStart(good) + 5 + 4 + 6)],
  [locked, 'a CA key that is cut', (good) => flipped(good, mainStart(good) + 5 + 3)],
  [
    inForce,
    'a revoked key that is none',
    (good) => appended(good, section(2, new WireWriter().string('key').bytes())),
  ],
  [
    locked,
    'a SHA1 hash of 19 bytes',
    (good) => appended(good, section(3, new WireWriter().string(Buffer.alloc(19)).bytes())),
  ],
  [
    locked,
    'a SHA256 hash of 33 bytes',
    (good) => appended(good, section(5, new WireWriter().string(Buffer.alloc(33)).bytes())),
  ],
  [
    open,
    'a list of another CA',
    (_, at) => listOf(at, [{ kind: 'certificates', caPublicKey: at.otherCa, serials: mainSerials }]),
  ],
  [
    open,
    'a list of a strange CA',
    (_, at) => listOf(at, [{ kind: 'certificates', caPublicKey: lost, serials: mainSerials }]),
  ],
  [
    inForce,
    'a list without the canary',
    (_, at) => listOf(at, [{ kind: 'certificates', caPublicKey: at.ca, serials: [revoked] }]),
  ],
  [
    open,
    'a list with another canary',
    (_, at) => listOf(at, [{ kind: 'certificates', caPublicKey: at.ca, serials: [2n] }]),
  ],
  [open, 'a list of a key alone', (_, at) => listOf(at, [{ kind: 'keys', blobs: [lost] }])],
  [
    locked,
    'the CA’s key among the revoked',
    (_, at) => listOf(at, [...sectionsOf(at).slice(0, 2), { kind: 'keys', blobs: [at.ca] }]),
  ],
  // Within a section.
  [open, 'a section without serials', (good, at) => withMainSection(good, at, Buffer.alloc(0))],
  [
    inForce,
    'an empty list',
    (good, at) => withMainSection(good, at, appended(rightList, part(0x20, Buffer.alloc(0)))),
  ],
  [
    locked,
    'a part of type 36',
    (good, at) => withMainSection(good, at, appended(rightList, part(0x24, u64s(7n)))),
  ],
  [
    differs,
    'extension 57',
    (good, at) => withMainSection(good, at, appended(rightList, part(0x39, extension(0)))),
  ],
  [
    locked,
    'serial 0 in a list',
    (good, at) => withMainSection(good, at, appended(rightList, part(0x20, u64s(0n)))),
  ],
  [
    locked,
    'half a serial',
    (good, at) => withMainSection(good, at, appended(rightList, part(0x20, Buffer.alloc(12, 1)))),
  ],
  [
    locked,
    'a range that runs backwards',
    (good, at) => withMainSection(good, at, appended(rightList, part(0x21, u64s(9n, 8n)))),
  ],
  [
    locked,
    'a range from 0',
    (good, at) => withMainSection(good, at, appended(rightList, part(0x21, u64s(0n, 8n)))),
  ],
  [
    locked,
    'a range of three',
    (good, at) => withMainSection(good, at, appended(rightList, part(0x21, u64s(8n, 9n, 10n)))),
  ],
  [
    locked,
    'a bitmap of 16,385 bits',
    (good, at) =>
      withMainSection(good, at, appended(rightList, bitmap(9_000n, Buffer.from([1, ...Buffer.alloc(2048)])))),
  ],
  [
    locked,
    'a bitmap below zero',
    (good, at) => withMainSection(good, at, appended(rightList, bitmap(9_000n, Buffer.from([0x80])))),
  ],
  [
    locked,
    'a bitmap with serial 0',
    (good, at) => withMainSection(good, at, appended(rightList, bitmap(0n, Buffer.from([1])))),
  ],
  [
    locked,
    'a bitmap beyond 2^64',
    (good, at) => withMainSection(good, at, appended(rightList, bitmap(2n ** 64n - 1n, Buffer.from([3])))),
  ],
  [
    inForce,
    'a bitmap with needless zeros',
    (good, at) => withMainSection(good, at, appended(rightList, bitmap(9_000n, Buffer.from([0, 0, 1])))),
  ],
  [
    inForce,
    'a bitmap without bits',
    (good, at) => withMainSection(good, at, appended(rightList, bitmap(9_000n, Buffer.alloc(0)))),
  ],
];

/** Lists that somebody with the CA's key could have meant. */
const otherLists: readonly Row[] = [
  [inForce, 'another time', (good) => flipped(good, 27)],
  [inForce, 'another comment', (good) => flipped(good, 46)],
  [open, 'another serial', (good) => flipped(good, partsStart(good) + 5 + 15)],
  [open, 'the sections’ CA keys exchanged', (_, at) => goodKrl({ ...at, ca: at.otherCa, otherCa: at.ca })],
  [inForce, 'another bit in a bitmap', (good) => flipped(good, keysStart(good) - 33, 3)],
  [inForce, 'a range that goes further', (_, at) => listOf(at, replaceMain(at, [...mainSerials, 21_000n]))],
  [
    open,
    'the revoked serial left out',
    (_, at) =>
      listOf(
        at,
        replaceMain(
          at,
          mainSerials.filter((serial) => serial !== revoked),
        ),
      ),
  ],
  [inForce, 'no revoked key', (good) => good.subarray(0, keysStart(good))],
  [
    inForce,
    'serials of whatever CA',
    (_, at) => listOf(at, [{ kind: 'certificates', caPublicKey: null, serials: mainSerials }]),
  ],
];

const otherThings: readonly (readonly [Effect, string, (path: string, good: Buffer) => Promise<void>])[] = [
  [locked, 'missing', async () => {}],
  [locked, 'a folder', (path) => mkdir(path)],
  [
    locked,
    'a folder with something in it',
    async (path, good) => {
      await mkdir(path);
      await writeFile(join(path, 'revoked_keys'), good);
    },
  ],
  [open, 'a link to /dev/null', (path) => symlink('/dev/null', path)],
  [locked, 'a link to nothing', (path) => symlink(`${path}.gone`, path)],
  [locked, 'a link to itself', (path) => symlink(path, path)],
  [
    inForce,
    'a link to a copy',
    async (path, good) => {
      await writeFile(`${path}.copy`, good);
      await symlink(`${path}.copy`, path);
    },
  ],
  // sshd would wait for somebody to write.
  [
    differs,
    'a pipe',
    async (path) => {
      await runProgram('/usr/bin/mkfifo', [path]);
    },
  ],
  // root may read it all the same.
  [
    differs,
    'unreadable',
    async (path, good) => {
      await writeFile(path, good);
      await chmod(path, 0);
    },
  ],
  [
    inForce,
    'writable by everybody',
    async (path, good) => {
      await writeFile(path, good);
      await chmod(path, 0o666);
    },
  ],
];

export const damages: readonly Damage[] = [
  ...wrongBytes.map(([effect, name, bytes]) => ({ effect, name, bytes, onlySignatureTells: false })),
  ...otherLists.map(([effect, name, bytes]) => ({ effect, name, bytes, onlySignatureTells: true })),
  ...otherThings.map(([effect, name, replace]) => ({ effect, name, replace, onlySignatureTells: false })),
];

function replaceMain(at: Authorities, serials: readonly bigint[]): KrlSection[] {
  const [other, , keys] = sectionsOf(at) as [KrlSection, KrlSection, KrlSection];
  return [other, { kind: 'certificates', caPublicKey: at.ca, serials }, keys];
}

function header({ version, reserved = '' }: { version: bigint; reserved?: string }): Buffer {
  return new WireWriter()
    .u64(0x5353484b524c0a00n)
    .u32(1)
    .u64(version)
    .u64(0n)
    .u64(0n)
    .string(reserved)
    .string('')
    .bytes();
}

function lineOf(blob: Buffer): string {
  return publicKeyLine({ type: 'ssh-ed25519', blob });
}
