/** What a revocation list means, whatever way it names serials. */
import type { Krl, KrlSection } from '../../src/ssh/krl.ts';
import type { ParsedKrl } from '../../src/ssh/parse-krl.ts';
import { namedRanges } from '../../src/ssh/parse-krl-serials.ts';

/** The list to write. Keys and hashes are one section of their kind each. */
export function krlOf({ version, generatedAt, comment, sections, keys, sha1, sha256 }: ParsedKrl): Krl {
  const certificates = sections.map(
    (section): KrlSection => ({
      kind: 'certificates',
      caPublicKey: section.caPublicKey,
      serials: [],
      ranges: namedRanges(section),
      keyIds: [...section.keyIds],
    }),
  );
  const unhex = (values: ReadonlySet<string>) => [...values].map((hex) => Buffer.from(hex, 'hex'));
  const others: KrlSection[] = [];
  if (keys.size > 0) others.push({ kind: 'keys', blobs: unhex(keys) });
  if (sha1.size > 0) others.push({ kind: 'sha1', digests: unhex(sha1) });
  if (sha256.size > 0) others.push({ kind: 'sha256', digests: unhex(sha256) });
  return { version, generatedAt, comment, sections: [...certificates, ...others] };
}

/** Equal texts for lists that revoke the same. */
export function meaningOf(krl: ParsedKrl): string {
  const sections = krl.sections.map(({ caPublicKey, keyIds, ...serials }) => ({
    ca: caPublicKey?.toString('hex') ?? null,
    keyIds: [...keyIds].sort(),
    serials: namedRanges(serials).map(({ from, to }) => `${from}-${to}`),
  }));
  const sorted = (values: ReadonlySet<string>) => [...values].sort();
  return JSON.stringify({
    version: `${krl.version}`,
    generatedAt: `${krl.generatedAt}`,
    comment: krl.comment,
    sections,
    others: [sorted(krl.keys), sorted(krl.sha1), sorted(krl.sha256)],
  });
}
