/**
 * Writes revocation lists. sshd reads the file several times per login, so it is kept small: ranges where they are
 * shorter, a list for the rest, and never a bitmap, because sshd locks everybody out over one of more than 16,384 bits.
 */
import { SallyportError } from '../errors/sallyport-error.ts';
import {
  certificateSection,
  type Krl,
  type KrlSection,
  krlFormatVersion,
  krlMagic,
  serialList,
  serialRange,
} from './krl.ts';
import { checkPublicKeyBlob } from './public-key.ts';
import { isRevocable, mergeRanges, type SerialRange } from './serial-ranges.ts';
import { WireWriter } from './wire.ts';

/** A range costs 21 bytes with its header, a serial in the list 8: three in a row are shorter as a range. */
const shortestRun = 3n;

/** @throws krl_malformed for a list that sshd would take as "nothing is revoked"; for keys as checkPublicKeyBlob() */
export function encodeKrl(krl: Krl): Buffer {
  const cas = new Set(krl.sections.map(({ caPublicKey }) => caPublicKey.toString('hex')));
  if (cas.size === 0) throw refused('it has no section: sshd takes such a file for an empty list');
  if (cas.size < krl.sections.length) throw refused('it has two sections for one CA');
  if (/\p{C}/u.test(krl.comment)) throw refused('its comment holds control characters');

  const writer = new WireWriter()
    .u64(krlMagic)
    .u32(krlFormatVersion)
    .u64(krl.version)
    .u64(krl.generatedAt)
    .u64(0n) // flags
    .string('') // reserved
    .string(krl.comment);
  for (const section of krl.sections) writer.u8(certificateSection).string(encodeSection(section));
  return writer.bytes();
}

function encodeSection({ caPublicKey, serials, ranges = [] }: KrlSection): Buffer {
  checkPublicKeyBlob(caPublicKey);
  const revoked = [...serials.map((serial) => ({ from: serial, to: serial })), ...ranges];
  if (revoked.length === 0) throw refused('a section revokes nothing');
  if (!revoked.every(isRevocable)) throw refused('a serial is 0, which cannot be revoked, or not below 2^64');

  const writer = new WireWriter().string(caPublicKey).string(''); // reserved
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
  return writer.bytes();
}

function isShort({ from, to }: SerialRange): boolean {
  return to - from + 1n < shortestRun;
}

function refused(problem: string): SallyportError {
  return new SallyportError('krl_malformed', `The revocation list was not made: ${problem}.`);
}
