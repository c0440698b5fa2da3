import { execFile } from 'node:child_process';
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createKeyFile, openFileSigner } from '../../src/ca/signer.ts';
import { toKeyObject } from '../../src/ssh/public-key.ts';
import { refusalCode } from './sample-authority.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-signer-'));
});
afterAll(() => rm(folder, { recursive: true }));

test('a key file is its owner’s alone, whatever the umask', async () => {
  const before = process.umask(0);
  try {
    await createKeyFile(join(folder, 'new.pem'));
  } finally {
    process.umask(before);
  }
  expect((await stat(join(folder, 'new.pem'))).mode & 0o777).toBe(0o600);
});

test('a key is never overwritten', async () => {
  const path = join(folder, 'kept.pem');
  await createKeyFile(path);
  const before = await readFile(path, 'utf8');
  expect(await refusalCode(createKeyFile(path))).toBe('file_refused');
  expect(await readFile(path, 'utf8')).toBe(before);
});

test('a disk that is full leaves no part of a key that would stand in the way of the next try', async () => {
  const path = join(folder, 'full', 'key.pem');
  await mkdir(dirname(path));
  const source = new URL('../../src/ca/signer.ts', import.meta.url).href;
  const script = `import { createKeyFile } from '${source}'; await createKeyFile(process.argv[1]);`;
  // A file may have no byte: what a full disk does, without one.
  const limited = `trap '' XFSZ; ulimit -f 0; exec "$0" --input-type=module -e "$1" "$2"`;
  const run = promisify(execFile)('sh', ['-c', limited, process.execPath, script, path]);
  await expect(run).rejects.toMatchObject({ stderr: expect.stringContaining('EFBIG') });
  expect(await readdir(dirname(path))).toEqual([]);
  await createKeyFile(path);
  expect(await readdir(dirname(path))).toEqual(['key.pem']);
});

test('a signature is by the key whose public half the signer names', async () => {
  const path = join(folder, 'signing.pem');
  await createKeyFile(path);
  const signer = await openFileSigner(path);
  const bytes = Buffer.from('to be signed');
  expect(verify(null, bytes, toKeyObject(signer.publicKey), await signer.sign(bytes))).toBe(true);
  expect(createPublicKey(await readFile(path)).equals(toKeyObject(signer.publicKey))).toBe(true);
});

test('a missing key file is named', async () => {
  await expect(openFileSigner(join(folder, 'none.pem'))).rejects.toMatchObject({
    code: 'settings_invalid',
    message: expect.stringContaining('none.pem'),
  });
});

test('a key that others may read, or a link to a key, is refused', async () => {
  const path = join(folder, 'open.pem');
  await createKeyFile(path);
  await symlink(path, join(folder, 'link.pem'));
  expect(await refusalCode(openFileSigner(join(folder, 'link.pem')))).toBe('file_refused');
  await chmod(path, 0o640);
  expect(await refusalCode(openFileSigner(path))).toBe('file_refused');
});

test.each([
  [
    'an RSA key',
    generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'pem', type: 'pkcs8' }),
  ],
  ['a public key', generateKeyPairSync('ed25519').publicKey.export({ format: 'pem', type: 'spki' })],
  ['anything else', 'hunter2'],
])('%s is refused, and what is in the file is not repeated', async (name, content) => {
  const path = join(folder, `${name.replaceAll(' ', '-')}.pem`);
  await writeFile(path, content, { mode: 0o600 });
  await expect(openFileSigner(path)).rejects.toMatchObject({
    code: 'settings_invalid',
    message: expect.not.stringContaining('hunter2'),
  });
});
