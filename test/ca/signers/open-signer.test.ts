import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encryptKey } from '../../../src/ca/signers/encrypted-key.ts';
import { createKeyFile } from '../../../src/ca/signers/key-file.ts';
import { openSigner } from '../../../src/ca/signers/open-signer.ts';
import { signerSurroundings } from '../../../src/ca/signers/surroundings.ts';
import { verifySignature } from '../../../src/ssh/signature.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-open-signer-'));
});
afterAll(() => rm(folder, { recursive: true }));

const open = (uri: string, environment: NodeJS.ProcessEnv = {}) =>
  openSigner(uri, signerSurroundings(folder, environment));
const bytes = Buffer.from('to be signed');

async function writeKey(name: string, { privateKey }: { privateKey: KeyObject }): Promise<void> {
  await writeFile(join(folder, name), privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
}

/** With a passphrase that costs next to nothing. */
async function writeEncrypted(name: string, passphrase: string): Promise<void> {
  const der = generateKeyPairSync('ed25519').privateKey.export({ format: 'der', type: 'pkcs8' });
  const text = await encryptKey(der, Buffer.from(passphrase), { logN: 4, r: 8, p: 1 });
  await writeFile(join(folder, name), text, { mode: 0o600 });
}

describe('a key in a file', () => {
  test.each([
    ['ssh-ed25519', () => generateKeyPairSync('ed25519')],
    ['ecdsa-sha2-nistp256', () => generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    ['ecdsa-sha2-nistp521', () => generateKeyPairSync('ec', { namedCurve: 'P-521' })],
    ['rsa-sha2-512', () => generateKeyPairSync('rsa', { modulusLength: 3072 })],
  ])('signs with %s', async (algorithm, generate) => {
    await writeKey(`${algorithm}.pem`, generate());
    const signer = await open(`file:${algorithm}.pem`);
    expect(signer.algorithm).toBe(algorithm);
    verifySignature({ publicKey: signer.publicKey, bytes, signature: await signer.sign(bytes) });
    await signer.close();
  });

  test('may be encrypted: the passphrase is the line in a file that the settings name, or a systemd credential', async () => {
    await writeEncrypted('encrypted.pem', 'correct horse battery staple');
    const credentials = await mkdtemp(join(folder, 'credentials-'));
    const file = join(credentials, 'sallyport-keys-passphrase');
    await writeFile(file, 'correct horse battery staple\n', { mode: 0o400 });
    for (const environment of [
      { SALLYPORT_KEYS_PASSPHRASE_FILE: file },
      { CREDENTIALS_DIRECTORY: credentials },
    ]) {
      const signer = await open('file:encrypted.pem', environment);
      verifySignature({ publicKey: signer.publicKey, bytes, signature: await signer.sign(bytes) });
    }
    await expect(open('file:encrypted.pem')).rejects.toMatchObject({
      code: 'settings_invalid',
      message: expect.stringContaining('SALLYPORT_KEYS_PASSPHRASE_FILE'),
    });
  });

  test.each([
    ['is not in a file', 'passphrase', { code: 'settings_invalid', message: /there is no such file/ }],
    ['is empty', '\n', { code: 'settings_invalid', message: /is empty/ }],
    ['is too long for one', 'x'.repeat(20_000), { code: 'file_refused', message: /too long/ }],
  ])('is not opened where its passphrase %s', async (what, content, { code, message }) => {
    await writeEncrypted('other.pem', 'x');
    const path = join(folder, `secret-${what.replaceAll(' ', '-')}`);
    if (content !== 'passphrase') await writeFile(path, content, { mode: 0o600 });
    await expect(open('file:other.pem', { SALLYPORT_KEYS_PASSPHRASE_FILE: path })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  test('is not opened with a passphrase that others may read', async () => {
    await writeEncrypted('exposed.pem', 'x');
    const path = join(folder, 'exposed');
    await writeFile(path, 'x', { mode: 0o604 });
    await expect(open('file:exposed.pem', { SALLYPORT_KEYS_PASSPHRASE_FILE: path })).rejects.toMatchObject({
      code: 'file_refused',
      message: expect.stringContaining(`chmod 600 ${path}`),
    });
  });

  test('that is too weak for a CA is refused with the reason', async () => {
    await writeKey('weak.pem', generateKeyPairSync('rsa', { modulusLength: 2048 }));
    await expect(open('file:weak.pem')).rejects.toMatchObject({
      code: 'settings_invalid',
      message: expect.stringMatching(/file:weak\.pem can't be used.*2048 bits/),
    });
  });

  test.each(['../user_ca.pem', '/etc/passwd', 'a/b', '.hidden', '..', '', 'a\0b', 'a b'])(
    'is never looked for outside the keys folder: %j',
    async (name) => {
      await expect(open(`file:${name}`)).rejects.toMatchObject({
        code: 'settings_invalid',
        message: expect.stringContaining('without any folder'),
      });
    },
  );
});

test.each(['', 'file', 'FILE:user_ca.pem', 'constructor:x', '__proto__:x', 'https://example.com', ':x'])(
  'what names no kind of signer is refused with the kinds that there are: %j',
  async (uri) => {
    await expect(open(uri)).rejects.toMatchObject({
      code: 'settings_invalid',
      message: expect.stringContaining('file: agent: pkcs11: awskms: gcpkms: vault:'),
    });
  },
);

test.each(['0', '61', '-1', '1.5', '5s', ' '])('a deadline of %j is refused', async (seconds) => {
  await createKeyFile(join(folder, 'deadline.pem')).catch(() => {});
  await expect(
    open('file:deadline.pem', { SALLYPORT_SIGNER_DEADLINE_SECONDS: seconds }),
  ).rejects.toMatchObject({
    code: 'settings_invalid',
    message: 'SALLYPORT_SIGNER_DEADLINE_SECONDS must be 1 to 60.',
  });
});
