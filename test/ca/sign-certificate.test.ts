import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { signCertificate, signerFailed } from '../../src/ca/sign-certificate.ts';
import type { Signer } from '../../src/ca/signer.ts';
import { SallyportError } from '../../src/errors/sallyport-error.ts';
import { encodeToBeSigned } from '../../src/ssh/encode-certificate.ts';
import { publicKeyBlobOf } from '../../src/ssh/public-key.ts';
import { encodeSignature, signatureAlgorithmOf, signWithKey } from '../../src/ssh/signature.ts';
import { WireWriter } from '../../src/ssh/wire.ts';
import { userFields } from '../ssh/sample-certificate.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey;
const caKeys: [string, KeyObject][] = [
  ['ed25519', generateKeyPairSync('ed25519').privateKey],
  ['ecdsa P-256', generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey],
  ['ecdsa P-384', generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey],
  ['ecdsa P-521', generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey],
  ['rsa', rsa],
];

function signerWith(key: KeyObject, signature?: (bytes: Uint8Array) => Buffer): Signer {
  const publicKey = publicKeyBlobOf(createPublicKey(key));
  const algorithm = signatureAlgorithmOf(publicKey);
  return {
    publicKey,
    algorithm,
    sign: async (bytes) => (signature ?? ((own) => signWithKey(key, own)))(bytes),
  };
}

const toBeSignedBy = ({ publicKey }: Signer) => encodeToBeSigned({ ...userFields, caPublicKey: publicKey });

describe('a certificate is released', () => {
  test.each(caKeys)('with the signature of its CA key (%s)', async (_, key) => {
    const signer = signerWith(key);
    const toBeSigned = toBeSignedBy(signer);
    const certificate = await signCertificate(toBeSigned, signer);
    expect(certificate.toBeSigned).toEqual(toBeSigned);
    expect(certificate.caPublicKey).toEqual(signer.publicKey);
  });

  test('with rsa-sha2-256 only if that is what the signer says that it makes', async () => {
    const signer = signerWith(rsa, (bytes) => signWithKey(rsa, bytes, 'rsa-sha2-256'));
    const toBeSigned = toBeSignedBy(signer);
    await signCertificate(toBeSigned, { ...signer, algorithm: 'rsa-sha2-256' });
    await expect(signCertificate(toBeSigned, signer)).rejects.toMatchObject({
      code: 'signer_failed',
      detail: expect.stringContaining('rsa-sha2-256 instead of rsa-sha2-512'),
    });
  });
});

describe('[abuse 136] a certificate is not released with', () => {
  const named = (name: string, content: Buffer) => new WireWriter().string(name).string(content).bytes();
  const other = generateKeyPairSync('ed25519').privateKey;

  test.each(caKeys)('a wrong signature for its CA key (%s)', async (_, key) => {
    const { algorithm } = signerWith(key);
    const right = (bytes: Uint8Array) => signWithKey(key, bytes);
    const flipped = (bytes: Uint8Array) => {
      const signature = right(bytes);
      const last = signature.length - 1;
      signature[last] = (signature[last] ?? 0) ^ 1;
      return signature;
    };
    const wrong: Record<string, (bytes: Uint8Array) => Buffer> = {
      nothing: () => Buffer.alloc(0),
      noise: () => randomBytes(90),
      'noise of the right form': () => named(algorithm, randomBytes(64)),
      'one bit that is wrong': flipped,
      'a byte too many': (bytes) => Buffer.concat([right(bytes), Buffer.alloc(1)]),
      'a byte too few': (bytes) => right(bytes).subarray(0, -1),
      'the signature of other bytes': () => right(Buffer.from('other')),
      'the signature of another key': (bytes) => signWithKey(other, bytes.subarray(1)),
      'the name of another algorithm': (bytes) => named('ecdsa-sha2-nistp999', right(bytes)),
      'an empty signature': () => named(algorithm, Buffer.alloc(0)),
    };
    for (const [what, signature] of Object.entries(wrong)) {
      const signer = signerWith(key, signature);
      await expect(signCertificate(toBeSignedBy(signer), signer), what).rejects.toMatchObject({
        code: 'signer_failed',
        message: 'The CA key could not sign. Try again in a moment.',
      });
    }
  });

  test('a right RSA signature that uses SHA-1', async () => {
    const signer = signerWith(rsa, (bytes) => named('ssh-rsa', sign('sha1', bytes, rsa)));
    await expect(signCertificate(toBeSignedBy(signer), signer)).rejects.toMatchObject({
      code: 'signer_failed',
      detail: expect.stringContaining('SHA-1'),
    });
  });

  test('a SHA-1 signature under the name of SHA-512', async () => {
    const signer = signerWith(rsa, (bytes) => encodeSignature('rsa-sha2-512', sign('sha1', bytes, rsa)));
    await expect(signCertificate(toBeSignedBy(signer), signer)).rejects.toMatchObject({
      code: 'signer_failed',
    });
  });

  test('the right signature of a signer that the certificate does not name', async () => {
    const signer = signerWith(other);
    const toBeSigned = toBeSignedBy(signerWith(rsa));
    await expect(signCertificate(toBeSigned, signer)).rejects.toMatchObject({ code: 'signer_failed' });
  });
});

test('what a signer says is in the detail for the log, and not in the message for the person', () => {
  const said = new SallyportError('signer_failed', 'Vault: it answered 403.', { detail: 'path' });
  expect(signerFailed(said)).toMatchObject({
    message: 'The CA key could not sign. Try again in a moment.',
    detail: 'signer_failed: Vault: it answered 403. (path)',
  });
  expect(signerFailed(new Error('out of order')).detail).toBe('Error: out of order');
});
