import { describeKey } from '../../ssh/describe-key.ts';
import type { KeyFacts } from './documents.ts';

/** @throws key_malformed if the bytes do not even begin like a key */
export function keyFacts(blob: Uint8Array): KeyFacts {
  const { type, label, bits, sha256, md5, problem } = describeKey(blob);
  return { type, label, bits, fingerprint_sha256: sha256, fingerprint_md5: md5, problem };
}
