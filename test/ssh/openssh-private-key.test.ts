import { expect, test } from 'vitest';
import { encodeOpensshPrivateKey, generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { ed25519RawKey } from '../../src/ssh/public-key.ts';
import { codeOf } from './refusal.ts';
import { ca, subject } from './sample-certificate.ts';

const seed = Buffer.alloc(32, 2); // of `subject`

test('a seed and the public key of another seed are refused', () => {
  const publicKey = ed25519RawKey(ca.blob);
  expect(codeOf(() => encodeOpensshPrivateKey({ seed, publicKey, comment: '' }))).toBe('key_malformed');
});

test('a seed of another length is refused', () => {
  const publicKey = ed25519RawKey(subject.blob);
  for (const length of [0, 31, 33]) {
    expect(
      codeOf(() => encodeOpensshPrivateKey({ seed: Buffer.alloc(length, 2), publicKey, comment: '' })),
    ).toBe('key_malformed');
  }
});

test('every generated key is another one', () => {
  const blobs = [1, 2, 3].map(() => generateEd25519().publicKeyBlob.toString('hex'));
  expect(new Set(blobs).size).toBe(3);
});
