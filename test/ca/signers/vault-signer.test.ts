import { spawnSync } from 'node:child_process';
import { sign } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { OpenSigner } from '../../../src/ca/signer.ts';
import { signerLimits } from '../../../src/ca/signers/limited-signer.ts';
import { openSigner } from '../../../src/ca/signers/open-signer.ts';
import { signerSurroundings } from '../../../src/ca/signers/surroundings.ts';
import { publicKeyBlobOf } from '../../../src/ssh/public-key.ts';
import { verifySignature } from '../../../src/ssh/signature.ts';
import { temporaryFolder } from '../../interop/ssh-keygen.ts';
import { changed, commonFaults, type Fault, newKey, type RunningService } from './doubles/key-service.ts';
import { failure, startVault, type TransitKey } from './doubles/vault.ts';

const bytes = Buffer.alloc(3000, 'to be signed ');
const folder = temporaryFolder();
const tokenFile = folder.path('token');
const tokens = new Set<string>();

const key = (type: string, kind: Parameters<typeof newKey>[0], derived = false): TransitKey => ({
  type,
  versions: new Map([[1, newKey(kind)]]),
  derived,
});
const keys = new Map<string, TransitKey>([
  ['transit/ed25519', key('ed25519', 'ed25519')],
  ['transit/p256', key('ecdsa-p256', 'P-256')],
  ['transit/p384', key('ecdsa-p384', 'P-384')],
  ['transit/p521', key('ecdsa-p521', 'P-521')],
  ['transit/rsa3072', key('rsa-3072', 3072)],
  ['transit/rsa4096', key('rsa-4096', 4096)],
  ['transit/rsa2048', key('rsa-2048', 2048)],
  ['transit/aes', key('aes256-gcm96', 'ed25519')],
  ['transit/derived', key('ed25519', 'ed25519', true)],
  ['teams/ssh/transit/user-ca', key('ed25519', 'ed25519')],
]);
const rotated: TransitKey = {
  type: 'ed25519',
  versions: new Map([
    [1, newKey('ed25519')],
    [2, newKey('ed25519')],
  ]),
};
keys.set('transit/rotated', rotated);

let vault: RunningService;
const opened: OpenSigner[] = [];
beforeAll(async () => {
  vault = await startVault({ keys, tokens });
});
beforeEach(() => useToken('hvs.first'));
afterEach(async () => {
  vault.fault = undefined;
  for (const signer of opened.splice(0)) await signer.close();
});
afterAll(() => vault.close());

/** The only token that is good from now on, and what is in the file. */
function useToken(token: string, inFile = token): void {
  tokens.clear();
  tokens.add(token);
  writeFileSync(tokenFile, `${inFile}\n`, { mode: 0o600 });
}

async function open(
  rest: string,
  changes: NodeJS.ProcessEnv = {},
  limits = signerLimits,
): Promise<OpenSigner> {
  const environment = { VAULT_ADDR: vault.address, VAULT_TOKEN_FILE: tokenFile, ...changes };
  const signer = await openSigner(`vault:${rest}`, signerSurroundings('/none', environment), limits);
  opened.push(signer);
  return signer;
}

describe('a key in Vault or OpenBao (a double of the transit API)', () => {
  test.each([
    ['transit/ed25519', 'ssh-ed25519'],
    ['transit/p256', 'ecdsa-sha2-nistp256'],
    ['transit/p384', 'ecdsa-sha2-nistp384'],
    ['transit/p521', 'ecdsa-sha2-nistp521'],
    ['transit/rsa3072', 'rsa-sha2-512'],
    ['transit/rsa4096', 'rsa-sha2-512'],
    ['teams/ssh/transit/user-ca', 'ssh-ed25519'],
  ])('%s signs with %s', async (name, algorithm) => {
    const signer = await open(name);
    expect(signer.algorithm).toBe(algorithm);
    for (let time = 0; time < 5; time += 1) {
      verifySignature({ publicKey: signer.publicKey, bytes, signature: await signer.sign(bytes) });
    }
  });

  test.each([
    ['transit/rotated', 1],
    ['transit/rotated@1', 1],
    ['transit/rotated@2', 2],
  ])('%s is version %i', async (name, version) => {
    const signer = await open(name);
    expect(signer.publicKey).toEqual(publicKeyBlobOf(rotated.versions.get(version)?.publicKey ?? fail()));
    verifySignature({ publicKey: signer.publicKey, bytes, signature: await signer.sign(bytes) });
  });

  test('stays the same key when it is rotated there', async () => {
    const signer = await open('transit/ed25519');
    const { versions } = keys.get('transit/ed25519') ?? fail();
    versions.set(2, newKey('ed25519'));
    verifySignature({ publicKey: signer.publicKey, bytes, signature: await signer.sign(bytes) });
    expect((await open('transit/ed25519')).publicKey).toEqual(signer.publicKey);
    versions.delete(2);
  });

  test('of a version that is not there is refused with those that are', async () => {
    await expect(open('transit/rotated@3')).rejects.toMatchObject({
      code: 'settings_invalid',
      message: expect.stringContaining('no version 3. There are: 1, 2'),
    });
  });

  test.each(['rsa2048', 'aes', 'derived'])('that can’t be a CA key (%s) is refused', async (name) => {
    await expect(open(`transit/${name}`)).rejects.toMatchObject({
      code: 'settings_invalid',
      message: expect.stringContaining('Make one of: ed25519'),
    });
  });

  test('is asked again at once where the service had just ended the connection that was kept open', async () => {
    const signer = await open('transit/p256');
    vault.requests.splice(0);
    vault.fault = (_, __, response) => {
      vault.fault = undefined;
      response.destroy();
      return 'handled';
    };
    verifySignature({ publicKey: signer.publicKey, bytes, signature: await signer.sign(bytes) });
    expect(vault.requests).toHaveLength(2);
  });

  test('in a namespace is asked for there', async () => {
    const own = await startVault({ keys, tokens, namespace: 'teams/ssh' });
    try {
      const environment = { VAULT_ADDR: own.address, VAULT_NAMESPACE: 'teams/ssh' };
      await (await open('transit/p256', environment)).sign(bytes);
      await expect(open('transit/p256', { VAULT_ADDR: own.address })).rejects.toMatchObject({
        message: expect.stringContaining('no handler for route'),
      });
    } finally {
      await own.close();
    }
  });

  test.each([
    '',
    'transit',
    'transit/',
    '/transit/a',
    'transit/../sys/a',
    'transit/a@0',
    'transit/a@latest',
    'transit/a?b',
    '../a',
  ])('is not named by %j', async (name) => {
    await expect(open(name)).rejects.toMatchObject({
      code: 'settings_invalid',
      message: expect.stringContaining('vault:transit/user-ca@2'),
    });
  });

  test.each([
    ['no address', { VAULT_ADDR: '' }, /VAULT_ADDR/],
    ['http to another machine', { VAULT_ADDR: 'http://vault.example.com:8200' }, /https:\/\//],
    [
      'http to a name that only looks like this machine',
      { VAULT_ADDR: 'http://127.0.0.1.example.com' },
      /https:\/\//,
    ],
    ['a password in the address', { VAULT_ADDR: 'https://a:b@vault.example.com' }, /without a user/],
    ['no token', { VAULT_TOKEN_FILE: '' }, /VAULT_TOKEN_FILE/],
    [
      'a token in the environment only',
      { VAULT_TOKEN_FILE: '', VAULT_TOKEN: 'hvs.first' },
      /VAULT_TOKEN_FILE/,
    ],
    ['a certificate file that is not there', { VAULT_CACERT: '/none' }, /\/none can't be read/],
  ])('is refused with %s', async (_, changes, problem) => {
    await expect(open('transit/p256', changes)).rejects.toMatchObject({
      message: expect.stringMatching(problem),
    });
  });
});

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
describe.skipIf(!hasOpenssl)('over TLS', () => {
  test('it is believed with an authority that VAULT_CACERT names, and not without', async () => {
    const [keyFile, certificateFile] = [folder.path('tls.key'), folder.path('tls.pem')];
    const names = ['-subj', '/CN=vault', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    const made = spawnSync('openssl', [
      'req',
      '-x509',
      ...kind,
      ...names,
      '-keyout',
      keyFile,
      '-out',
      certificateFile,
    ]);
    expect(made.status, `${made.stderr}`).toBe(0);
    const tls = { key: readFileSync(keyFile), cert: readFileSync(certificateFile) };
    const own = await startVault({ keys, tokens, tls });
    try {
      const signer = await open('transit/p256', { VAULT_ADDR: own.address, VAULT_CACERT: certificateFile });
      verifySignature({ publicKey: signer.publicKey, bytes, signature: await signer.sign(bytes) });
      own.requests.splice(0);
      for (const _ of ['as usual', 'where Node is told to believe everybody']) {
        await expect(open('transit/p256', { VAULT_ADDR: own.address })).rejects.toMatchObject({
          code: 'signer_failed',
          message: expect.stringContaining('CERT'),
        });
        vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
      }
      expect(own.requests).toEqual([]);
    } finally {
      vi.unstubAllEnvs();
      await own.close();
    }
  });
});

describe('the token', () => {
  test('is read anew for each request, so that whoever renews it may replace the file', async () => {
    const signer = await open('transit/p256');
    useToken('hvs.second');
    verifySignature({ publicKey: signer.publicKey, bytes, signature: await signer.sign(bytes) });
  });

  test('that was replaced while a request was under way is taken for a second try', async () => {
    const signer = await open('transit/p256');
    useToken('hvs.third', 'hvs.first');
    vault.fault = () => {
      useToken('hvs.third');
      return undefined;
    };
    verifySignature({ publicKey: signer.publicKey, bytes, signature: await signer.sign(bytes) });
  });

  test('that is refused is not shown', async () => {
    const signer = await open('transit/p256');
    useToken('hvs.other', 'hvs.revoked');
    vault.requests.splice(0);
    const refusal = await signer.sign(bytes).catch((error) => error);
    expect(refusal.message).toContain('403, permission denied');
    expect(JSON.stringify({ ...refusal, message: refusal.message })).not.toContain('hvs.');
    expect(vault.requests).toHaveLength(1);
  });

  test.each(['two\nlines', 'a b', 'tökən'])('that could end a header is refused: %j', async (token) => {
    useToken('hvs.first', token);
    await expect(open('transit/p256')).rejects.toMatchObject({
      code: 'settings_invalid',
      message: expect.stringContaining('holds no token'),
    });
  });
});

describe('[abuse 136] Vault in trouble', () => {
  const always =
    (status: number, message: string): Fault =>
    () =>
      failure(status, message);
  const signature = (text: string): Fault => changed({ data: { key_version: 1, signature: text } });
  const other = sign('sha256', bytes, newKey('P-256').privateKey).toString('base64');
  const faults: [string, Fault, RegExp][] = [
    ...commonFaults,
    ['is throttled', always(429, 'request path "transit" rate limit quota exceeded'), /429, request path/],
    ['answers 500', always(500, 'internal error'), /500, internal error/],
    ['is sealed', always(503, 'Vault is sealed'), /503, Vault is sealed/],
    [
      'is a standby that sends elsewhere',
      () => ({ status: 307, headers: { location: 'https://example.com/' }, body: '' }),
      /redirect/,
    ],
    ['refuses the token', always(403, 'permission denied'), /403, permission denied/],
    ['signs with the latest version instead', signature(`vault:v2:${other}`), /version 2 instead of 1/],
    ['gives no signature', changed({ data: {} }), /no signature/],
    ['gives a signature without its version', signature(other), /no signature/],
    ['gives two signatures', signature(`vault:v1:${other}:${other}`), /no signature/],
    ['gives a signature that is not base64', signature('vault:v1:***'), /no signature/],
    ['gives a signature in another packing', signature('vault:v1:AAAA'), /DER/],
    ['gives the signature of another key', signature(`vault:v1:${other}`), /match/],
  ];

  test.each(faults)(
    '(it %s) gives no signature, and signs again when it is well',
    async (what, fault, said) => {
      const limits = { ...signerLimits, deadlineMilliseconds: what === 'never answers' ? 50 : 10_000 };
      const signer = await open('transit/p256', {}, limits);
      vault.fault = fault;
      const refusal = await signer.sign(bytes).catch((error) => error);
      expect(refusal).toMatchObject({ code: 'signer_failed', message: expect.stringMatching(said) });
      expect(refusal.message).not.toContain('hvs.');
      vault.fault = undefined;
      verifySignature({ publicKey: signer.publicKey, bytes, signature: await signer.sign(bytes) });
    },
  );

  test('is left alone after some failures', async () => {
    const limits = { ...signerLimits, failuresInARow: 2, pauseMilliseconds: 60_000 };
    const signer = await open('transit/p256', {}, limits);
    vault.fault = always(503, 'Vault is sealed');
    for (let time = 0; time < 2; time += 1) await signer.sign(bytes).catch(() => {});
    vault.requests.splice(0);
    await expect(signer.sign(bytes)).rejects.toMatchObject({
      message: expect.stringContaining('left alone'),
    });
    expect(vault.requests).toEqual([]);
  });
});

function fail(): never {
  throw new Error('the key is there');
}
