import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { firstSigners, keyFiles } from '../../src/ca/key-files.ts';

let parent: string;
let folder: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'sallyport-key-files-'));
  folder = join(parent, 'keys');
});
afterEach(() => rm(parent, { recursive: true, force: true }));

test('each generation of each CA has a file of its own, and the first is where it always was', async () => {
  const { createKey, openSigner } = keyFiles(folder, {});
  const uris = [await createKey('user', 1), await createKey('user', 2), await createKey('hop', 2)];
  expect(uris).toEqual([firstSigners.user, 'file:user_ca_2.pem', 'file:hop_ca_2.pem']);
  expect((await readdir(folder)).sort()).toEqual(['hop_ca_2.pem', 'user_ca.pem', 'user_ca_2.pem']);
  for (const name of await readdir(folder)) expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
  const keys = await Promise.all(uris.map(async (uri) => (await openSigner(uri)).publicKey.toString('hex')));
  expect(new Set(keys).size).toBe(3);
});

test('a file that an attempt which was cut off has left is used, not replaced', async () => {
  const { createKey } = keyFiles(folder, {});
  await createKey('user', 2);
  const before = await readFile(join(folder, 'user_ca_2.pem'));
  expect(await createKey('user', 2)).toBe('file:user_ca_2.pem');
  expect(await readFile(join(folder, 'user_ca_2.pem'))).toEqual(before);
});

test('where a passphrase is given the file is encrypted, and opens with it only', async () => {
  const passphrase = join(parent, 'passphrase');
  await writeFile(passphrase, 'a passphrase for the test\n', { mode: 0o600 });
  const encrypted = keyFiles(folder, { SALLYPORT_KEYS_PASSPHRASE_FILE: passphrase });
  const uri = await encrypted.createKey('user', 2);
  expect(await readFile(join(folder, 'user_ca_2.pem'), 'utf8')).toContain('ENCRYPTED CA KEY');
  const signer = await encrypted.openSigner(uri);
  expect(signer.algorithm).toBe('ssh-ed25519');
  await signer.close();
  await expect(keyFiles(folder, {}).openSigner(uri)).rejects.toMatchObject({ code: 'settings_invalid' });
});

test('where no file can be made it says what helps', async () => {
  await writeFile(join(parent, 'file'), '');
  const { createKey } = keyFiles(join(parent, 'file', 'keys'), {});
  await expect(createKey('user', 2)).rejects.toMatchObject({
    code: 'file_refused',
    message: expect.stringMatching(
      /user_ca_2\.pem can't be made here \(ENOTDIR\)\. Name a signer with --signer/,
    ),
  });
});
