import { isSallyportError } from '../../../src/errors/sallyport-error.ts';
import { encodeKrl } from '../../../src/ssh/encode-krl.ts';
import { isCertificateRevoked, isRevoked, type ParsedKrl, parseKrl } from '../../../src/ssh/parse-krl.ts';
import { krlOf, meaningOf } from '../../ssh/krl-meaning.ts';
import { ca } from '../../ssh/sample-certificate.ts';
import { expectFact, expectSame, type FuzzedParser } from '../examine.ts';

export const revocationLists: FuzzedParser = {
  codes: ['krl_malformed'],
  read(input) {
    const krl = parseKrl(input);
    for (const serial of [0n, 1n, 2n ** 64n - 1n]) isRevoked(krl, ca.blob, serial);
    isCertificateRevoked(krl, { publicKey: ca.blob, caPublicKey: ca.blob, serial: 5n, keyId: 'x' });
    return `${shapeOf(krl)}, ${writtenAgain(krl)}`;
  },
};

/** What is written again means the same, in perhaps fewer bytes; and it can't be written shorter once more. */
function writtenAgain(krl: ParsedKrl): string {
  let again: Buffer;
  try {
    again = encodeKrl(krlOf(krl));
  } catch (error) {
    if (!isSallyportError(error) || error.code !== 'krl_malformed') throw error;
    return `not written: ${error.message}`;
  }
  const parsed = parseKrl(again);
  expectSame(meaningOf(parsed), meaningOf(krl));
  expectSame(encodeKrl(krlOf(parsed)), again);
  return 'written';
}

function shapeOf({ sections, keys, sha1, sha256 }: ParsedKrl): string {
  const first = sections.slice(0, 2).map(({ caPublicKey, runs, bitmaps, keyIds }) => {
    const counts = [runs.from.length, bitmaps.length, keyIds.size].map((count) => Math.min(count, 2));
    return `${caPublicKey === null ? 'any' : 'CA'} ${counts}`;
  });
  const others = [keys, sha1, sha256].map(({ size }) => Math.min(size, 2));
  expectFact(sections.length + keys.size + sha1.size + sha256.size > 0, 'revokes nothing');
  return `${first.join(' and ')}, others ${others}`;
}
