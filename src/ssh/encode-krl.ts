/**
 * Writes revocation lists. sshd reads the file several times per login, so it is kept small: ranges where they are
 * shorter, a list for the rest, and never a bitmap, because sshd locks everybody out over one of more than 16,384 bits.
 */
import { SallyportError } from '../errors/sallyport-error.ts';
import {
  type CertificatesSection,
  type Krl,
  type KrlSection,
  keyIdList,
  krlFormatVersion,
  krlMagic,
  sectionNumbers,
  serialList,
  serialRange,
} from './krl.ts';
import { checkPublicKeyBlob } from './public-key.ts';
import { isRevocable, mergeRanges, type SerialRange } from './serial-ranges.ts';
import { WireWriter } from './wire.ts';

/** A range costs 21 bytes with its header, a serial in the list 8: three in a row are shorter as a range. */
const shortestRun = 3n;

const digestBytes = { sha1: 20, sha256: 32 } as const;
/** Also what is no character at all, such as half a surrogate pair. */
const controlCharacter = /\p{C}/u;

/** @throws krl_malformed for a list that sshd would take as "nothing is revoked"; for keys as checkPublicKeyBlob() */
export function encodeKrl(krl: Krl): Buffer {
  const subjects = new Set(krl.sections.map(subjectOf));
  if (subjects.size === 0) throw refused('it has no section: sshd takes such a file for an empty list');
  if (subjects.size < krl.sections.length) throw refused('it has two sections for one CA or of one kind');
  if (controlCharacter.test(krl.comment)) throw refused('its comment holds control characters');

  const writer = new WireWriter()
    .u64(krlMagic)
    .u32(krlFormatVersion)
    .u64(krl.version)
    .u64(krl.generatedAt)
    .u64(0n) // flags
    .string('') // reserved
    .string(krl.comment);
  for (const section of krl.sections) {
    writer.u8(sectionNumbers[section.kind]).string(encodeSection(section));
  }
  return writer.bytes();
}

function subjectOf(section: KrlSection): string {
  return section.kind === 'certificates' ? `CA ${section.caPublicKey?.toString('hex')}` : section.kind;
}

function encodeSection(section: KrlSection): Buffer {
  if (section.kind === 'certificates') return encodeCertificates(section);
  const blobs = section.kind === 'keys' ? section.blobs : section.digests;
  for (const blob of blobs) {
    if (section.kind === 'keys') checkPublicKeyBlob(blob);
    else if (blob.length !== digestBytes[section.kind]) throw refused('a hash is of another length');
  }
  return encodeStrings(blobs);
}

/** Each once and in the order of a big-endian number, as the format demands of hashes. */
function encodeStrings(values: readonly Buffer[]): Buffer {
  if (values.length === 0) throw refused('a section revokes nothing');
  const writer = new WireWriter();
  const sorted = values.toSorted(Buffer.compare);
  for (const [index, value] of sorted.entries()) {
    if (!sorted[index - 1]?.equals(value)) writer.string(value);
  }
  return writer.bytes();
}

function encodeCertificates({ caPublicKey, serials, ranges = [], keyIds = [] }: CertificatesSection): Buffer {
  if (caPublicKey) checkPublicKeyBlob(caPublicKey);
  const revoked = [...serials.map((serial) => ({ from: serial, to: serial })), ...ranges];
  if (revoked.length + keyIds.length === 0) throw refused('a section revokes nothing');
  if (keyIds.some((keyId) => keyId === '' || controlCharacter.test(keyId))) {
    throw refused('a key ID is empty or holds control characters');
  }
  if (!revoked.every(isRevocable)) throw refused('a serial is 0, which cannot be revoked, or not below 2^64');

  const writer = new WireWriter().string(caPublicKey ?? '').string(''); // reserved
  const runs = mergeRanges(revoked);
  const singles = new WireWriter();
  for (const run of runs.filter(isShort)) {
    for (let serial = run.from; serial <= run.to; serial++) singles.u64(serial);
  }
  const list = singles.bytes();
  if (list.length > 0) writer.u8(serialList).string(list);
  for (const { from, to } of runs.filter((run) => !isShort(run))) {
    writer.u8(serialRange).string(new WireWriter().u64(from).u64(to).bytes());
  }
  if (keyIds.length > 0) {
    writer.u8(keyIdList).string(encodeStrings(keyIds.map((keyId) => Buffer.from(keyId))));
  }
  return writer.bytes();
}

function isShort({ from, to }: SerialRange): boolean {
  return to - from + 1n < shortestRun;
}

function refused(problem: string): SallyportError {
  return new SallyportError('krl_malformed', `The revocation list was not made: ${problem}.`);
}
