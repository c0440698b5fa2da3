import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { firstSigners } from '../../src/ca/key-files.ts';
import { createServerKeys, openServerKeys } from '../../src/server/keys-folder.ts';

const names = ['hop_ca.pem', 'host_ca.pem', 'oauth.json', 'sealing.json', 'user_ca.pem'];
const caFiles = names.filter((name) => name.endsWith('.pem'));
let keys: string;
let parent: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'sallyport-keys-'));
  keys = join(parent, 'keys');
});
afterEach(() => rm(parent, { recursive: true, force: true }));

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;
const contents = async () => await Promise.all(names.map((name) => readFile(join(keys, name), 'utf8')));

describe('createServerKeys', () => {
  test('makes its files that only their owner reads, in a folder that only their owner enters, whatever the umask', async () => {
    const umask = process.umask(0);
    await createServerKeys(keys).finally(() => process.umask(umask));
    expect((await readdir(keys)).sort()).toEqual(names);
    expect(await modeOf(keys)).toBe(0o700);
    for (const name of names) expect(await modeOf(join(keys, name))).toBe(0o600);
  });

  test('never overwrites: a second time leaves every byte', async () => {
    await createServerKeys(keys);
    const before = await contents();
    await createServerKeys(keys);
    expect(await contents()).toEqual(before);
  });

  test('makes what is missing beside what is there', async () => {
    await createServerKeys(keys);
    const before = await contents();
    await rm(join(keys, 'user_ca.pem'));
    await createServerKeys(keys);
    const after = await contents();
    expect(after.slice(0, 4)).toEqual(before.slice(0, 4));
    expect(after[4]).toContain('BEGIN PRIVATE KEY');
  });

  test('makes no CA keys where signers elsewhere hold them', async () => {
    await createServerKeys(keys, {}, { ca: false });
    expect(await readdir(keys)).toEqual(['oauth.json', 'sealing.json']);
    expect((await openServerKeys(keys)).oauth.cookieKeys).toHaveLength(1);
  });

  test('makes other keys in another folder', async () => {
    await createServerKeys(keys);
    const before = await contents();
    keys = join(parent, 'others');
    await createServerKeys(keys);
    for (const [index, text] of (await contents()).entries()) expect(text).not.toBe(before[index]);
  });

  test('closes a folder that was open to others', async () => {
    await mkdir(keys, { mode: 0o755 });
    await createServerKeys(keys);
    expect(await modeOf(keys)).toBe(0o700);
  });

  test('refuses a folder that is a link', async () => {
    await mkdir(join(parent, 'elsewhere'));
    await symlink(join(parent, 'elsewhere'), keys);
    await expect(createServerKeys(keys)).rejects.toMatchObject({ code: 'file_refused' });
    expect(await readdir(join(parent, 'elsewhere'))).toEqual([]);
  });
});

describe('openServerKeys', () => {
  beforeEach(() => createServerKeys(keys));

  async function openEverything(): Promise<void> {
    const { openSigner } = await openServerKeys(keys);
    for (const name of caFiles) await (await openSigner(`file:${name}`)).close();
  }

  test('finds what was made', async () => {
    const opened = await openServerKeys(keys);
    const signers = await Promise.all(Object.values(firstSigners).map(opened.openSigner));
    expect(new Set(signers.map(({ publicKey }) => publicKey.toString('hex'))).size).toBe(3);
    expect(opened.oauth.jwks.keys[0]).toMatchObject({ alg: 'ES256', use: 'sig' });
    expect(opened.oauth.cookieKeys[0]).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  test('tells how to make the folder where there is none', async () => {
    const none = join(parent, 'none');
    await expect(openServerKeys(none)).rejects.toMatchObject({
      code: 'settings_invalid',
      message: expect.stringContaining(`sallyport keys create ${none}`),
    });
  });

  test.each(names)('names %s where it is missing', async (name) => {
    await rm(join(keys, name));
    await expect(openEverything()).rejects.toMatchObject({
      code: 'settings_invalid',
      message: expect.stringContaining(name.endsWith('.json') ? keys : join(keys, name)),
    });
  });

  test.each(names)('refuses %s where others may read it', async (name) => {
    await chmod(join(keys, name), 0o640);
    await expect(openEverything()).rejects.toMatchObject({
      code: 'file_refused',
      message: expect.stringContaining(`chmod 600 ${join(keys, name)}`),
    });
  });

  test.each([
    ['oauth.json', ''],
    ['oauth.json', '{"jwks":{"keys":[]},"cookieKeys":[]}'],
    ['oauth.json', '{"jwks":{"keys":[{}]},"cookieKeys":["short"]}'],
    ['user_ca.pem', 'not a key'],
    ['host_ca.pem', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'],
  ])('names %s where it is damaged, and quotes nothing of it', async (name, damage) => {
    await writeFile(join(keys, name), damage);
    const error = await openEverything().catch((caught) => caught);
    expect(error).toMatchObject({ code: 'settings_invalid' });
    expect(error.message).toContain(join(keys, name));
    expect(error.message).not.toContain('AAAA');
  });

  test('refuses a link to a key', async () => {
    await copyFile(join(keys, 'user_ca.pem'), join(parent, 'elsewhere.pem'));
    await rm(join(keys, 'user_ca.pem'));
    await symlink(join(parent, 'elsewhere.pem'), join(keys, 'user_ca.pem'));
    await expect(openEverything()).rejects.toMatchObject({ code: 'file_refused' });
  });

  test('names a path that can not be a folder', async () => {
    const file = join(keys, 'user_ca.pem');
    await expect(openServerKeys(file)).rejects.toMatchObject({
      code: 'file_refused',
      message: `${join(file, 'oauth.json')} can't be read (ENOTDIR).`,
    });
  });
});
