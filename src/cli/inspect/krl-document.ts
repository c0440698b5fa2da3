/** A revocation list, decoded. Pure. */
import { SallyportError } from '../../errors/sallyport-error.ts';
import { type ParsedKrl, parseKrl } from '../../ssh/parse-krl.ts';
import { namedRanges } from '../../ssh/parse-krl-serials.ts';
import { fingerprint } from '../../ssh/public-key.ts';
import type { KrlDocument } from './documents.ts';
import { keyFacts } from './key-document.ts';
import { calendarSeconds } from './moment.ts';

/** Four serials of each byte can stand alone, and each that does takes some 350 bytes to write out. */
const mostBitmapBytes = 512 * 1024;

/** @throws file_refused if there is too much to write out; krl_malformed, also for what sshd would read and Sallyport does not trust */
export function krlDocument(bytes: Buffer): KrlDocument {
  const { version, generatedAt, comment, sections, keys, sha1, sha256 } = parseKrl(bytes);
  if (bitmapBytes(sections) > mostBitmapBytes) {
    throw new SallyportError(
      'file_refused',
      'The revocation list has more bitmaps than can be written out. Ask it for one certificate: ssh-keygen -Q -f FILE CERTIFICATE',
    );
  }
  return {
    kind: 'krl',
    line: null,
    version: String(version),
    generated_at: calendarSeconds(generatedAt),
    comment,
    bytes: bytes.length,
    sections: sections.map((section) => {
      const ranges = namedRanges(section);
      return {
        ca: section.caPublicKey === null ? null : keyFacts(section.caPublicKey),
        serial_count: String(ranges.reduce((sum, { from, to }) => sum + to - from + 1n, 0n)),
        serials: ranges.map(({ from, to }) => ({ from: String(from), to: String(to) })),
        key_ids: [...section.keyIds],
      };
    }),
    keys: Array.from(keys, (hex) => fingerprint(Buffer.from(hex, 'hex'))),
    sha1: [...sha1],
    sha256: [...sha256],
  };
}

function bitmapBytes(sections: ParsedKrl['sections']): number {
  const bitmaps = sections.flatMap((section) => section.bitmaps);
  return bitmaps.reduce((sum, { bits }) => sum + bits.length, 0);
}
