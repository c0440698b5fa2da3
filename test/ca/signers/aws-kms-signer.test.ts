import { sign } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { OpenSigner } from '../../../src/ca/signer.ts';
import { signerLimits } from '../../../src/ca/signers/limited-signer.ts';
import { openSigner } from '../../../src/ca/signers/open-signer.ts';
import { signerSurroundings } from '../../../src/ca/signers/surroundings.ts';
import { verifySignature } from '../../../src/ssh/signature.ts';
import {
  accessKeyId,
  arnOf,
  failure,
  type KmsKey,
  region,
  secretAccessKey,
  startAwsKms,
} from './doubles/aws-kms.ts';
import { changed, commonFaults, type Fault, newKey, type RunningService } from './doubles/key-service.ts';

const bytes = Buffer.alloc(3000, 'to be signed ');
const keys = new Map<string, KmsKey>([
  ['p256', { spec: 'ECC_NIST_P256', alias: 'alias/user-ca', ...newKey('P-256') }],
  ['p384', { spec: 'ECC_NIST_P384', ...newKey('P-384') }],
  ['p521', { spec: 'ECC_NIST_P521', ...newKey('P-521') }],
  ['ed25519', { spec: 'ECC_NIST_EDWARDS25519', ...newKey('ed25519') }],
  ['rsa3072', { spec: 'RSA_3072', ...newKey(3072) }],
  ['rsa4096', { spec: 'RSA_4096', ...newKey(4096) }],
  ['rsa2048', { spec: 'RSA_2048', ...newKey(2048) }],
  ['koblitz', { spec: 'ECC_SECG_P256K1', ...newKey('P-256') }],
  ['encrypting', { spec: 'RSA_3072', usage: 'ENCRYPT_DECRYPT', ...newKey(3072) }],
]);
let kms: RunningService;
const opened: OpenSigner[] = [];

beforeAll(async () => {
  kms = await startAwsKms(keys);
  // The SDK reads the environment of the process.
  vi.stubEnv('AWS_ENDPOINT_URL_KMS', kms.address);
  vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey);
  vi.stubEnv('AWS_REGION', region);
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
  vi.stubEnv('AWS_CONFIG_FILE', '/none');
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/none');
});
afterEach(async () => {
  kms.fault = undefined;
  for (const signer of opened.splice(0)) await signer.close();
});
afterAll(() => kms.close());

async function open(keyId: string, limits = signerLimits): Promise<OpenSigner> {
  const signer = await openSigner(`awskms:${keyId}`, signerSurroundings('/none', process.env), limits);
  opened.push(signer);
  return signer;
}

describe('a key in AWS KMS (a double of its API)', () => {
  test.each([
    ['p256', 'ecdsa-sha2-nistp256'],
    ['p384', 'ecdsa-sha2-nistp384'],
    ['p521', 'ecdsa-sha2-nistp521'],
    ['ed25519', 'ssh-ed25519'],
    ['rsa3072', 'rsa-sha2-512'],
    ['rsa4096', 'rsa-sha2-512'],
  ])('of kind %s signs with %s', async (id, algorithm) => {
    const signer = await open(id);
    expect(signer.algorithm).toBe(algorithm);
    for (let time = 0; time < 5; time += 1) {
      verifySignature({ publicKey: signer.publicKey, bytes, signature: await signer.sign(bytes) });
    }
  });

  test.each(['p256', arnOf('p256'), 'alias/user-ca'])(
    'is named by %s, and from then on by its ARN',
    async (name) => {
      const signer = await open(name);
      kms.requests.splice(0);
      await signer.sign(bytes);
      expect(JSON.parse(`${kms.requests[0]?.body}`)).toMatchObject({ KeyId: arnOf('p256') });
    },
  );

  test('is asked for digests, except an Ed25519 key, for which too many bytes are refused with what to do', async () => {
    const longer = Buffer.alloc(5000);
    const p256 = await open('p256');
    verifySignature({ publicKey: p256.publicKey, bytes: longer, signature: await p256.sign(longer) });
    const ed25519 = await open('ed25519');
    await expect(ed25519.sign(longer)).rejects.toMatchObject({
      code: 'signer_failed',
      message: expect.stringContaining('use a key of kind ECC_NIST_P256'),
    });
  });

  test.each(['rsa2048', 'koblitz', 'encrypting'])('that can’t be a CA key (%s) is refused', async (id) => {
    await expect(open(id)).rejects.toMatchObject({
      code: 'settings_invalid',
      message: expect.stringContaining('Make one of: ECC_NIST_P256'),
    });
  });

  test('that does not exist is refused with what KMS says', async () => {
    await expect(open('none')).rejects.toMatchObject({
      code: 'signer_failed',
      message: expect.stringContaining("NotFoundException: Key 'none' does not exist"),
    });
  });

  test.each(['', 'a b', 'alias/../x', 'https://example.com', 'arn:aws:s3:::bucket'])(
    'is not named by %j',
    async (name) => {
      await expect(open(name)).rejects.toMatchObject({ code: 'settings_invalid' });
    },
  );
});

describe('[abuse 136] AWS KMS in trouble', () => {
  const always =
    (status: number, type: string): Fault =>
    () =>
      failure(status, type, 'double');
  const faults: [string, Fault, RegExp][] = [
    ...commonFaults,
    ['is throttled', always(400, 'ThrottlingException'), /ThrottlingException: double/],
    ['answers 429', always(429, 'ThrottlingException'), /ThrottlingException: double/],
    ['answers 500', always(500, 'KMSInternalException'), /KMSInternalException: double/],
    ['answers 503', () => ({ status: 503, body: 'upstream connect error' }), /./],
    ['has the key disabled', always(400, 'DisabledException'), /DisabledException: double/],
    ['refuses the credentials', always(400, 'AccessDeniedException'), /AccessDeniedException: double/],
    ['signs with another key', changed({ KeyId: arnOf('p384') }), /another key/],
    [
      'signs with another algorithm',
      changed({ SigningAlgorithm: 'ECDSA_SHA_384' }),
      /no ECDSA_SHA_256 signature/,
    ],
    ['gives no signature', changed({ Signature: undefined }), /no ECDSA_SHA_256 signature/],
    ['gives noise', changed({ Signature: Buffer.alloc(70, 7).toString('base64') }), /DER/],
    [
      'gives the signature of another key',
      changed({ Signature: otherSignature().toString('base64') }),
      /match/,
    ],
  ];
  function otherSignature(): Buffer {
    return sign('sha256', bytes, newKey('P-256').privateKey);
  }

  test.each(faults)(
    '(it %s) gives no signature, and signs again when it is well',
    async (what, fault, said) => {
      const limits = {
        ...signerLimits,
        deadlineMilliseconds: what === 'never answers' ? 50 : 10_000,
      };
      const signer = await open('p256', limits);
      kms.fault = fault;
      const refusal = await signer.sign(bytes).catch((error) => error);
      expect(refusal).toMatchObject({ code: 'signer_failed', message: expect.stringMatching(said) });
      expect(refusal.message).not.toContain(secretAccessKey);
      kms.fault = undefined;
      verifySignature({ publicKey: signer.publicKey, bytes, signature: await signer.sign(bytes) });
    },
  );

  test('is not opened', async () => {
    for (const [what, fault] of faults.filter(([what]) => !what.startsWith('never'))) {
      kms.fault = fault;
      await expect(open('p256'), what).rejects.toMatchObject({
        code: expect.stringMatching(/signer_failed|settings/),
      });
    }
  });

  test('is left alone after some failures', async () => {
    const signer = await open('p256', { ...signerLimits, failuresInARow: 2, pauseMilliseconds: 60_000 });
    kms.fault = always(400, 'DisabledException');
    for (let time = 0; time < 2; time += 1) await signer.sign(bytes).catch(() => {});
    kms.requests.splice(0);
    await expect(signer.sign(bytes)).rejects.toMatchObject({
      message: expect.stringContaining('left alone'),
    });
    expect(kms.requests).toEqual([]);
  });
});
