import { execFile } from 'node:child_process';
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encryptKey } from '../../../src/ca/signers/encrypted-key.ts';
import { createKeyFile, readKeyFile } from '../../../src/ca/signers/key-file.ts';
import { armor, unarmor } from '../../../src/ssh/pem.ts';
import { WireWriter } from '../../../src/ssh/wire.ts';
import { refusalCode } from '../sample-authority.ts';

const run = promisify(execFile);
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-key-file-'));
});
afterAll(() => rm(folder, { recursive: true }));

const passphrase = 'correct horse battery staple';
const given = (text: string) => async () => Buffer.from(text);
const none = async () => undefined;
/** scrypt in a millisecond. */
const quick = { logN: 4, r: 8, p: 1 };

async function write(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content, { mode: 0o600 });
  return path;
}

describe('a new key file', () => {
  test.each([
    ['plain', undefined],
    ['encrypted', Buffer.from(passphrase)],
  ])('(%s) is its owner’s alone, whatever the umask, and is never overwritten', async (name, secret) => {
    const path = join(folder, `${name}.pem`);
    const before = process.umask(0);
    try {
      await createKeyFile(path, { passphrase: secret });
    } finally {
      process.umask(before);
    }
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const content = await readFile(path, 'utf8');
    expect(await refusalCode(createKeyFile(path, { passphrase: secret }))).toBe('file_refused');
    expect(await readFile(path, 'utf8')).toBe(content);
    const key = await readKeyFile(path, given(passphrase));
    expect(key.asymmetricKeyType).toBe('ed25519');
  });

  test('is left in no part by a full disk, so that nothing stands in the way of the next try', async () => {
    const path = join(folder, 'full', 'key.pem');
    await mkdir(dirname(path));
    const source = new URL('../../../src/ca/signers/key-file.ts', import.meta.url).href;
    const script = `import { createKeyFile } from '${source}'; await createKeyFile(process.argv[1]);`;
    // A file may have no byte: what a full disk does, without one.
    const limited = `trap '' XFSZ; ulimit -f 0; exec "$0" --input-type=module -e "$1" "$2"`;
    const attempt = run('sh', ['-c', limited, process.execPath, script, path]);
    await expect(attempt).rejects.toMatchObject({ stderr: expect.stringContaining('EFBIG') });
    expect(await readdir(dirname(path))).toEqual([]);
    await createKeyFile(path);
    expect(await readdir(dirname(path))).toEqual(['key.pem']);
  });

  test('is not made with an empty passphrase', async () => {
    const path = join(folder, 'empty-passphrase.pem');
    expect(await refusalCode(createKeyFile(path, { passphrase: Buffer.alloc(0) }))).toBe('settings_invalid');
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('reading a key file', () => {
  const pkcs8 = (key: KeyObject) => key.export({ format: 'pem', type: 'pkcs8' });

  test.each([
    ['ed25519', generateKeyPairSync('ed25519')],
    ['ecdsa', generateKeyPairSync('ec', { namedCurve: 'P-384' })],
    ['rsa', generateKeyPairSync('rsa', { modulusLength: 3072 })],
  ])('gives the %s key in it, plain or encrypted', async (name, { publicKey, privateKey }) => {
    const plain = await write(`${name}.pem`, pkcs8(privateKey));
    expect(createPublicKey(await readKeyFile(plain, none)).equals(publicKey)).toBe(true);

    const der = privateKey.export({ format: 'der', type: 'pkcs8' });
    const text = await encryptKey(der, Buffer.from(passphrase), quick);
    const encrypted = await write(`${name}.enc`, text);
    expect(createPublicKey(await readKeyFile(encrypted, given(passphrase))).equals(publicKey)).toBe(true);
  });

  test('zeroes the passphrase, whether it was right or wrong', async () => {
    const path = await write('zeroed.enc', await sample());
    for (const text of [passphrase, 'wrong']) {
      const secret = Buffer.from(text);
      await readKeyFile(path, async () => secret).catch(() => {});
      expect(secret.equals(Buffer.alloc(text.length))).toBe(true);
    }
  });

  test('names a file that is not there', async () => {
    await expect(readKeyFile(join(folder, 'none.pem'), none)).rejects.toMatchObject({
      code: 'settings_invalid',
      message: expect.stringContaining('none.pem'),
    });
  });

  test('refuses a key that others may read, and a link to a key', async () => {
    const path = join(folder, 'open.pem');
    await createKeyFile(path);
    await symlink(path, join(folder, 'link.pem'));
    expect(await refusalCode(readKeyFile(join(folder, 'link.pem'), none))).toBe('file_refused');
    await chmod(path, 0o640);
    expect(await refusalCode(readKeyFile(path, none))).toBe('file_refused');
  });

  test.each([
    ['a public key', generateKeyPairSync('ed25519').publicKey.export({ format: 'pem', type: 'spki' })],
    ['anything else', 'hunter2'],
    ['nothing', ''],
  ])('refuses %s, and does not repeat what is in the file', async (name, content) => {
    const path = await write(`${name.replaceAll(' ', '-')}.pem`, content);
    await expect(readKeyFile(path, none)).rejects.toMatchObject({
      code: 'settings_invalid',
      message: expect.not.stringContaining('hunter2'),
    });
  });
});

describe('an encrypted key file', () => {
  test('says which setting is missing where no passphrase is given', async () => {
    const path = await write('no-passphrase.enc', await sample());
    await expect(readKeyFile(path, none)).rejects.toMatchObject({
      code: 'settings_invalid',
      message: expect.stringContaining('SALLYPORT_KEYS_PASSPHRASE_FILE'),
    });
  });

  test('tells a wrong passphrase from damage', async () => {
    const path = await write('wrong-passphrase.enc', await sample());
    await expect(readKeyFile(path, given(`${passphrase} `))).rejects.toMatchObject({
      code: 'settings_invalid',
      message: expect.stringMatching(/^The passphrase does not open/),
    });
  });

  test('with any one byte changed, or cut anywhere, is called damaged', async () => {
    const blob = Buffer.from(unarmor(label, await sample()) ?? '');
    const damaged: [string, string][] = [
      ['no end line', (await sample()).replace(/-----END.*\n/, '')],
      ['two blocks', (await sample()) + (await sample())],
    ];
    for (let at = 0; at < blob.length; at += 1) {
      const changed = Buffer.from(blob);
      changed[at] = (changed[at] ?? 0) ^ 0x10;
      damaged.push([`changed at ${at}`, armor(label, changed)]);
      damaged.push([`cut at ${at}`, armor(label, blob.subarray(0, at))]);
    }
    const path = join(folder, 'damaged.enc');
    for (const [how, content] of damaged) {
      await writeFile(path, content, { mode: 0o600 });
      await expect(readKeyFile(path, given(passphrase)), how).rejects.toMatchObject({
        code: 'settings_invalid',
        message: expect.stringMatching(/is damaged: .* Restore it from a backup\.$/),
      });
    }
  });

  test.each([
    ['a later version', { version: 2 }, 'format version 2'],
    ['N of 2^25', { logN: 25 }, 'more memory or time'],
    ['N of 2^4294967295', { logN: 0xffff_ffff }, 'more memory or time'],
    ['N of 1', { logN: 0 }, 'more memory or time'],
    ['r of 2^31', { r: 2 ** 31 }, 'more memory or time'],
    ['r of 0', { r: 0 }, 'more memory or time'],
    ['p of 5', { p: 5 }, 'more memory or time'],
    ['another derivation', { kdf: 'bcrypt' }, 'does not name scrypt'],
    ['another cipher', { cipher: 'none' }, 'does not name aes-256-gcm'],
    ['a short salt', { salt: Buffer.alloc(8) }, 'wrong length'],
    ['a long nonce', { nonce: Buffer.alloc(16) }, 'wrong length'],
    ['no ciphertext', { sealed: Buffer.alloc(16) }, 'no key'],
    ['another magic', { magic: 'sallyport-ca-kex\0' }, 'does not begin'],
    ['something after its end', { after: 'x' }, 'after its end'],
    ['a megabyte', { sealed: Buffer.alloc(2 ** 20) }, 'longer than any key'],
  ])('with %s and a right digest is refused before anything is derived', async (_, change, problem) => {
    const path = await write('hostile.enc', forged(change));
    await expect(readKeyFile(path, given(passphrase))).rejects.toMatchObject({
      code: 'settings_invalid',
      message: expect.stringContaining(problem),
    });
  });

  test('whose header was altered with a right digest does not open: the header is authenticated', async () => {
    const bytes = Buffer.from(unarmor(label, await sample()) ?? '');
    const p = bytes.indexOf(Buffer.from('scrypt')) + 6 + 8;
    bytes.writeUInt32BE(2, p);
    const covered = bytes.subarray(0, -32);
    const path = await write('altered.enc', armor(label, withDigest(covered)));
    await expect(readKeyFile(path, given(passphrase))).rejects.toMatchObject({
      message: expect.stringMatching(/^The passphrase does not open/),
    });
  });
});

const label = 'SALLYPORT ENCRYPTED CA KEY';
const { privateKey: sampleKey } = generateKeyPairSync('ed25519');

function sample(): Promise<string> {
  const der = sampleKey.export({ format: 'der', type: 'pkcs8' });
  return encryptKey(der, Buffer.from(passphrase), quick);
}

function forged(change: object): string {
  const field = {
    magic: 'sallyport-ca-key\0',
    version: 1,
    kdf: 'scrypt',
    ...quick,
    salt: Buffer.alloc(32),
    cipher: 'aes-256-gcm',
    nonce: Buffer.alloc(12),
    sealed: Buffer.alloc(64),
    after: '',
    ...change,
  };
  const covered = new WireWriter()
    .raw(Buffer.from(field.magic))
    .u32(field.version)
    .string(field.kdf)
    .u32(field.logN)
    .u32(field.r)
    .u32(field.p)
    .string(field.salt)
    .string(field.cipher)
    .string(field.nonce)
    .string(field.sealed)
    .raw(Buffer.from(field.after))
    .bytes();
  return armor(label, withDigest(covered));
}

function withDigest(covered: Buffer): Buffer {
  return Buffer.concat([covered, createHash('sha256').update(covered).digest()]);
}
