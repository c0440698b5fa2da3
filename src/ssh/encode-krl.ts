/**
 * Writes revocation lists. sshd takes a file that revokes nothing in silence and locks everybody out over one that it
 * can't read, so what is not certain to be read as it is meant is not written.
 */
import { SallyportError } from '../errors/sallyport-error.ts';
import type { CertificatesSection, Krl, KrlSection } from './krl.ts';
import { digestBytes, keyIdList, krlFormatVersion, krlMagic, sectionNumbers } from './krl-format.ts';
import { checkPublicKeyBlob } from './public-key.ts';
import { checkRevocableKey } from './revocable-key.ts';
import { SerialSet } from './serial-set.ts';
import { WireWriter } from './wire.ts';

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

/** What no other section of the list may be about. */
function subjectOf(section: KrlSection): string {
  return section.kind === 'certificates' ? `CA ${section.caPublicKey?.toString('hex')}` : section.kind;
}

function encodeSection(section: KrlSection): Buffer {
  if (section.kind === 'certificates') return encodeCertificates(section);
  const blobs = section.kind === 'keys' ? section.blobs : section.digests;
  if (blobs.length === 0) throw refused('a section revokes nothing');
  for (const blob of blobs) {
    if (section.kind === 'keys') checkRevocableKey(blob);
    else if (blob.length !== digestBytes[section.kind]) throw refused('a hash is of another length');
  }
  return encodeStrings(blobs);
}

function encodeCertificates(section: CertificatesSection): Buffer {
  const { caPublicKey, serials, keyIds = [] } = section;
  if (caPublicKey) checkPublicKeyBlob(caPublicKey);
  const set = serials instanceof SerialSet ? serials : SerialSet.of(serials, section.ranges);
  if (set.isEmpty && keyIds.length === 0) throw refused('a section revokes nothing');
  if (keyIds.some((keyId) => keyId === '' || controlCharacter.test(keyId))) {
    throw refused('a key ID is empty or holds control characters');
  }
  const writer = new WireWriter()
    .string(caPublicKey ?? '')
    .string('') // reserved
    .raw(set.encode());
  if (keyIds.length > 0)
    writer.u8(keyIdList).string(encodeStrings(keyIds.map((keyId) => Buffer.from(keyId))));
  return writer.bytes();
}

/** Each once and in the order of big-endian numbers, which the format demands of hashes. */
function encodeStrings(values: readonly Buffer[]): Buffer {
  const writer = new WireWriter();
  const sorted = values.toSorted(Buffer.compare);
  for (const [index, value] of sorted.entries()) {
    if (!sorted[index - 1]?.equals(value)) writer.string(value);
  }
  return writer.bytes();
}

function refused(problem: string): SallyportError {
  return new SallyportError('krl_malformed', `The revocation list was not made: ${problem}.`);
}
