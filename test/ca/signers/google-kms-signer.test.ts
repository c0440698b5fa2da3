import { sign } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { OpenSigner } from '../../../src/ca/signer.ts';
import { crc32c } from '../../../src/ca/signers/crc32c.ts';
import { signerLimits } from '../../../src/ca/signers/limited-signer.ts';
import { openSigner } from '../../../src/ca/signers/open-signer.ts';
import { signerSurroundings } from '../../../src/ca/signers/surroundings.ts';
import { verifySignature } from '../../../src/ssh/signature.ts';
import { temporaryFolder } from '../../interop/ssh-keygen.ts';
import {
  accessToken,
  checksumOf,
  failure,
  type GoogleKey,
  startGoogleKms,
  startMetadataServer,
} from './doubles/google-kms.ts';
import { changed, commonFaults, type Fault, newKey, type RunningService } from './doubles/key-service.ts';

const bytes = Buffer.alloc(3000, 'to be signed ');
const version = (name: string) =>
  `projects/acme-prod/locations/europe-west6/keyRings/ssh_ca/cryptoKeys/${name}/cryptoKeyVersions/1`;
const kinds: [string, string, GoogleKey][] = [
  ['EC_SIGN_ED25519', 'ssh-ed25519', { algorithm: 'EC_SIGN_ED25519', ...newKey('ed25519') }],
  ['EC_SIGN_P256_SHA256', 'ecdsa-sha2-nistp256', { algorithm: 'EC_SIGN_P256_SHA256', ...newKey('P-256') }],
  ['EC_SIGN_P384_SHA384', 'ecdsa-sha2-nistp384', { algorithm: 'EC_SIGN_P384_SHA384', ...newKey('P-384') }],
  [
    'RSA_SIGN_PKCS1_3072_SHA256',
    'rsa-sha2-256',
    { algorithm: 'RSA_SIGN_PKCS1_3072_SHA256', ...newKey(3072) },
  ],
  [
    'RSA_SIGN_PKCS1_4096_SHA256',
    'rsa-sha2-256',
    { algorithm: 'RSA_SIGN_PKCS1_4096_SHA256', ...newKey(4096) },
  ],
  [
    'RSA_SIGN_PKCS1_4096_SHA512',
    'rsa-sha2-512',
    { algorithm: 'RSA_SIGN_PKCS1_4096_SHA512', ...newKey(4096) },
  ],
];
const unusable: [string, GoogleKey][] = [
  ['RSA_SIGN_PKCS1_2048_SHA256', { algorithm: 'RSA_SIGN_PKCS1_2048_SHA256', ...newKey(2048) }],
  ['EC_SIGN_SECP256K1_SHA256', { algorithm: 'EC_SIGN_SECP256K1_SHA256', ...newKey('P-256') }],
  ['RSA_DECRYPT_OAEP_3072_SHA256', { algorithm: 'RSA_DECRYPT_OAEP_3072_SHA256', ...newKey(3072) }],
];
const keys = new Map([
  ...kinds.map(([name, , key]): [string, GoogleKey] => [version(name), key]),
  ...unusable.map(([name, key]): [string, GoogleKey] => [version(name), key]),
]);
const p256 = version('EC_SIGN_P256_SHA256');
const ed25519 = version('EC_SIGN_ED25519');

const folder = temporaryFolder();
let kms: RunningService;
let metadata: RunningService;
const opened: OpenSigner[] = [];

beforeAll(async () => {
  kms = await startGoogleKms(keys);
  metadata = await startMetadataServer();
  // Google's package reads the environment of the process.
  vi.stubEnv('GCE_METADATA_HOST', metadata.address.replace('http://', ''));
  vi.stubEnv('METADATA_SERVER_DETECTION', 'assume-present');
  vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', undefined);
  vi.stubEnv('CLOUDSDK_CONFIG', folder.path('gcloud-configuration'));
  vi.stubEnv('CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS', `${kms.address}/`);
});
afterEach(async () => {
  kms.fault = undefined;
  metadata.fault = undefined;
  for (const signer of opened.splice(0)) await signer.close();
});
afterAll(async () => {
  await kms.close();
  await metadata.close();
});

async function open(name: string, limits = signerLimits, environment = process.env): Promise<OpenSigner> {
  const signer = await openSigner(`gcpkms:${name}`, signerSurroundings('/none', environment), limits);
  opened.push(signer);
  return signer;
}

test.each([
  ['', 0],
  ['123456789', 0xe3069283],
])('the CRC-32C of %j is as published', (text, expected) => {
  expect(crc32c(Buffer.from(text))).toBe(expected);
});

describe('a key in Google Cloud KMS (a double of its API)', () => {
  test.each(kinds)('of kind %s signs with %s', async (kind, algorithm) => {
    const signer = await open(version(kind));
    expect(signer.algorithm).toBe(algorithm);
    verifySignature({ publicKey: signer.publicKey, bytes, signature: await signer.sign(bytes) });
  });

  test('gets one access token for many signatures', async () => {
    const signer = await open(p256);
    metadata.requests.splice(0);
    await Promise.all(Array.from({ length: 20 }, () => signer.sign(bytes)));
    expect(metadata.requests).toEqual([]);
  });

  test('is found without running a program: gcloud is not asked for a project', async () => {
    const gcloud = folder.path('gcloud-was-run');
    writeFileSync(folder.path('gcloud'), `#!/bin/sh\n: > ${gcloud}\n`, { mode: 0o755 });
    vi.stubEnv('PATH', `${folder.path('.')}:${process.env['PATH']}`);
    await open(p256);
    expect(existsSync(gcloud)).toBe(false);
  });

  test.each(unusable)('that can’t be a CA key (%s) is refused', async (kind) => {
    await expect(open(version(kind))).rejects.toMatchObject({
      code: 'settings_invalid',
      message: expect.stringContaining('Make one of: EC_SIGN_ED25519'),
    });
  });

  test('that does not exist is refused with what KMS says', async () => {
    await expect(open(version('none'))).rejects.toMatchObject({
      code: 'signer_failed',
      message: expect.stringMatching(/404, NOT_FOUND: CryptoKeyVersion .* not found/),
    });
  });

  test('without credentials is refused', async () => {
    metadata.fault = () => ({ status: 404, headers: { 'metadata-flavor': 'Google' }, body: '' });
    await expect(open(p256)).rejects.toMatchObject({
      code: 'signer_failed',
      message: expect.stringContaining('no credentials'),
    });
  });

  test.each([
    '',
    p256.replace('/cryptoKeyVersions/1', ''),
    `${p256}/..`,
    `${p256}?x=1`,
    `/${p256}`,
    `${p256}0:x`,
  ])('is named by one version, not by %j', async (name) => {
    await expect(open(name)).rejects.toMatchObject({
      code: 'settings_invalid',
      message: expect.stringContaining('one version of a key'),
    });
  });

  test.each(['http://kms.example.com', 'ftp://127.0.0.1', 'https://user:pass@kms.example.com', 'nonsense'])(
    'is not asked at %s',
    async (address) => {
      const environment = { ...process.env, CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS: address };
      await expect(open(p256, signerLimits, environment)).rejects.toMatchObject({
        code: 'settings_invalid',
        message: expect.stringContaining('https://'),
      });
    },
  );
});

describe('[abuse 136] Google Cloud KMS in trouble', () => {
  const always =
    (status: number, reason: string): Fault =>
    () =>
      failure(status, reason, 'double');
  const noise = Buffer.alloc(70, 7);
  const other = sign('sha256', bytes, newKey('P-256').privateKey);
  const signature = (content: Buffer) => ({
    signature: content.toString('base64'),
    signatureCrc32c: checksumOf(content),
  });
  const faults: [string, Fault, RegExp][] = [
    ...commonFaults,
    ['is throttled', always(429, 'RESOURCE_EXHAUSTED'), /429, RESOURCE_EXHAUSTED: double/],
    ['answers 500', always(500, 'INTERNAL'), /500, INTERNAL: double/],
    ['answers 503', () => ({ status: 503, body: 'upstream connect error' }), /503, without a reason/],
    ['has the version disabled', always(400, 'FAILED_PRECONDITION'), /FAILED_PRECONDITION: double/],
    ['refuses the token', always(403, 'PERMISSION_DENIED'), /PERMISSION_DENIED: double/],
    [
      'sends elsewhere',
      () => ({ status: 307, headers: { location: 'https://example.com/' }, body: '' }),
      /redirect/,
    ],
    ['sends a megabyte', (reply) => ({ ...reply, body: reply.body + ' '.repeat(2 ** 20) }), /longer than/],
    ['signs with another version', changed({ name: version('other') }), /another key/],
    ['says that the request was damaged', changed({ verifiedDigestCrc32c: false }), /damaged on its way/],
    [
      'does not say that it saw the request whole',
      changed({ verifiedDigestCrc32c: undefined }),
      /damaged on its way/,
    ],
    [
      'has its signature damaged on the way',
      changed({ signature: other.toString('base64') }),
      /reply was damaged/,
    ],
    ['gives no checksum', changed({ signatureCrc32c: undefined }), /no signature/],
    ['gives no signature', changed({ signature: undefined }), /no signature/],
    ['gives a signature that is not base64', changed({ signature: '***' }), /base64/],
    ['gives noise', changed(signature(noise)), /DER/],
    ['gives the signature of another key', changed(signature(other)), /match/],
  ];

  test.each(faults)(
    '(it %s) gives no signature, and signs again when it is well',
    async (what, fault, said) => {
      const limits = { ...signerLimits, deadlineMilliseconds: what === 'never answers' ? 50 : 10_000 };
      const signer = await open(p256, limits);
      kms.fault = fault;
      const refusal = await signer.sign(bytes).catch((error) => error);
      expect(refusal).toMatchObject({ code: 'signer_failed', message: expect.stringMatching(said) });
      expect(refusal.message).not.toContain(accessToken);
      kms.fault = undefined;
      verifySignature({ publicKey: signer.publicKey, bytes, signature: await signer.sign(bytes) });
    },
  );

  test('an Ed25519 key’s request that was damaged on its way gives no signature', async () => {
    const signer = await open(ed25519);
    kms.fault = changed({ verifiedDataCrc32c: false });
    await expect(signer.sign(bytes)).rejects.toMatchObject({ message: expect.stringContaining('damaged') });
  });

  test('is not opened with a public key that was damaged on its way, or of another version', async () => {
    for (const change of [{ pemCrc32c: '1' }, { name: version('other') }, { pem: undefined }]) {
      kms.fault = changed(change);
      await expect(open(p256)).rejects.toMatchObject({ code: 'signer_failed' });
    }
  });

  test('is left alone after some failures', async () => {
    const signer = await open(p256, { ...signerLimits, failuresInARow: 2, pauseMilliseconds: 60_000 });
    kms.fault = always(500, 'INTERNAL');
    for (let time = 0; time < 2; time += 1) await signer.sign(bytes).catch(() => {});
    kms.requests.splice(0);
    await expect(signer.sign(bytes)).rejects.toMatchObject({
      message: expect.stringContaining('left alone'),
    });
    expect(kms.requests).toEqual([]);
  });
});
