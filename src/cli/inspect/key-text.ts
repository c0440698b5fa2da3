import { printable } from '../printable.ts';
import type { KeyFacts } from './documents.ts';
import type { Row } from './text-block.ts';

/** The key in one row, with MD5 in two. Only of RSA keys the type does not say the size. */
export function keyText(name: string, key: KeyFacts, { md5 }: { readonly md5: boolean }): Row[] {
  const { label, bits, fingerprint_sha256, fingerprint_md5 } = key;
  const words = [printable(label), ...(bits === null || label.startsWith('ED25519') ? [] : [bits])];
  return [
    { name, text: [...words, fingerprint_sha256].join(' ') },
    ...(md5 ? [{ name: '', text: fingerprint_md5 }] : []),
  ];
}
