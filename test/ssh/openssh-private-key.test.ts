import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import {
  encodeOpensshPrivateKey,
  generateEd25519,
  opensshPrivateKeyOf,
} from '../../src/ssh/openssh-private-key.ts';
import { ed25519RawKey, publicKeyBlobOf } from '../../src/ssh/public-key.ts';
import { sshKeygenOutput, temporaryFolder } from '../interop/ssh-keygen.ts';
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

const folder = temporaryFolder();

test.each([
  ['ed25519', () => generateKeyPairSync('ed25519').privateKey],
  ['ecdsa', () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey],
  ['rsa', () => generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey],
] as const)('a private key of type %s is read by ssh-keygen', (type, make) => {
  // One in two begins with a bit that an mpint must not begin with, one in 256 with a byte of zeros.
  for (let time = 0; time < 3; time += 1) {
    const key = make();
    const file = folder.write(`${type}-${time}`, opensshPrivateKeyOf(key, 'alice'));
    expect(sshKeygenOutput(['-y', '-f', file]).split(' ')[1]).toBe(publicKeyBlobOf(key).toString('base64'));
  }
});

test('the Ed25519 of both ways to write one is the same text', () => {
  const key = generateEd25519();
  expect(opensshPrivateKeyOf(key.privateKey, 'alice')).toBe(key.openssh('alice'));
});

test('every generated key is another one', () => {
  const blobs = [1, 2, 3].map(() => generateEd25519().publicKeyBlob.toString('hex'));
  expect(new Set(blobs).size).toBe(3);
});
