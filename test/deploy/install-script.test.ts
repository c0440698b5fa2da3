/** Where install.sh lets itself be sent, with a curl that only writes down what it was asked for; and who may change what it installs. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { filesOf, signedRelease } from '../../build/release.ts';
import { root } from '../dev/started-program.ts';

const run = promisify(execFile);
let folder: string;
let asked: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-install-'));
  asked = join(folder, 'asked');
  await writeFile(join(folder, 'curl'), `#!/bin/sh\necho "$*" >>'${asked}'\nexit 22\n`, { mode: 0o755 });
  await writeFile(join(folder, 'key.pub'), 'ssh-ed25519 AAAA release\n');
});
beforeEach(() => writeFile(asked, ''));
afterAll(() => rm(folder, { recursive: true, force: true }));

async function installFrom(address: string): Promise<{ stderr: string; asked: string }> {
  const args = [join(root, 'deploy/install.sh'), '--from', address, '--key', join(folder, 'key.pub')];
  const env = { HOME: folder, PATH: `${folder}:/usr/bin:/bin` };
  const { stderr } = await run('/bin/sh', args, { env }).catch((error) => error);
  return { stderr, asked: await readFile(asked, 'utf8') };
}

test.each([
  'http://releases.example.com',
  'http://localhost:x@elsewhere.example.com/',
  'http://127.0.0.1:80@elsewhere.example.com',
  'http://localhost:8080\\@elsewhere.example.com',
  'http://localhost:80:80@elsewhere.example.com/',
  'http://localhost.example.com:80',
  'http://127.0.0.1.example.com:80/',
  'https://someone:secret@releases.example.com',
  'HTTP://localhost:80',
  'ftp://localhost:80',
  'https://',
])('asks nobody for a release at %s', async (address) => {
  const { stderr, asked: requests } = await installFrom(address);
  expect(stderr).toMatch(/^install\.sh: --from must be (https|an address without user.*)\n$/);
  expect(requests).toBe('');
});

test.each([
  ['https://releases.example.com', '=https'],
  ['https://releases.example.com:8443/sally', '=https'],
  ['http://localhost:8080', '=http'],
  ['http://127.0.0.1:8080/sally', '=http'],
])('asks %s, and goes from there to nothing that is less safe', async (address, protocols) => {
  const { stderr, asked: requests } = await installFrom(address);
  expect(requests).toMatch(new RegExp(`^-fsSL --proto ${protocols} .* -- ${address}/sally\\.release\n$`));
  expect(stderr).toContain('could not be fetched');
});

describe('a release in a folder', () => {
  const place = () => join(folder, 'release');
  const platform = `${process.platform}-${process.arch}`;

  beforeAll(async () => {
    await mkdir(place());
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'signer')]);
    await writeFile(join(place(), `sally-1.2.3-${platform}`), '#!/bin/sh\necho 1.2.3\n');
    for (const name of ['sally.1', 'completion.bash', 'completion.fish'])
      await writeFile(join(place(), name), name);
    const [issuedAt, expiresAt] = [new Date(), new Date(Date.now() + 86_400_000)];
    const about = { program: 'sally', number: 1, version: '1.2.3', issuedAt, expiresAt };
    const manifest = { ...about, files: await filesOf(place()) };
    await writeFile(join(place(), 'sally.release'), signedRelease(manifest, join(folder, 'signer')));
  });

  test('is installed so that nobody else can change it, whatever the umask is', async () => {
    const home = join(folder, 'home');
    await mkdir(home);
    const script = 'umask 000; exec /bin/sh "$@"';
    const args = [join(root, 'deploy/install.sh'), '--from', place(), '--key', join(folder, 'signer.pub')];
    await run('/bin/sh', ['-c', script, 'sh', ...args], { env: { HOME: home, PATH: '/usr/bin:/bin' } });
    const found = await readdir(home, { recursive: true, withFileTypes: true });
    expect(found.length).toBeGreaterThan(10);
    for (const { parentPath, name } of found) {
      const path = join(parentPath, name);
      expect([path, (await stat(path)).mode & 0o022]).toEqual([path, 0]);
    }
  });
});
