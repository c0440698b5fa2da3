/** `sally` as one executable: built, signed, installed by the script and as a Debian package, and everything undone again. */
import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { filesOf, signedRelease } from '../../build/release.ts';
import { root } from '../dev/started-program.ts';

const run = promisify(execFile);
const platform = `${process.platform}-${process.arch}`;
let folder: string;
let release: string;
let version: string;
let home: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sally-executable-'));
  release = join(folder, 'release');
  ({ version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')));
  for (const name of ['key', 'other']) {
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', join(folder, name)]);
  }
  // The companion's is made in the same way, and takes as long: packages.test.ts runs what is in it.
  const key = join(folder, 'key.pub');
  const build = ['--platform', platform, '--program', 'sally', '--out', release, '--release-key', key];
  await run(process.execPath, [join(root, 'build', 'build-sally.ts'), ...build]);
  const args = ['--key', join(folder, 'key'), '--number', '7', release];
  await run(process.execPath, [join(root, 'build', 'sign-release.ts'), ...args]);
}, 300_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

let homes = 0;
beforeEach(async () => {
  homes += 1;
  home = join(folder, `home ${homes}`);
  await mkdir(home);
});

/** What sign-release.ts does, without a process of its own. */
async function sign(place: string, key: string, number: number, age = 0, days = 60): Promise<void> {
  const issuedAt = new Date(Date.now() - age);
  const expiresAt = new Date(issuedAt.getTime() + days * 86_400_000);
  const manifest = { program: 'sally', number, version, issuedAt, expiresAt, files: await filesOf(place) };
  await writeFile(join(place, 'sally.release'), signedRelease(manifest, join(folder, key)));
}

const environment = () => ({ HOME: home, PATH: '/usr/bin:/bin' });
const installed = () => join(home, '.local', 'bin', 'sally');

async function install(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const script = join(release, 'install.sh');
  return await run('sh', [script, ...args], { env: environment() }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  );
}

test('runs without Node, and is what ssh would start', async () => {
  const sally = join(release, `sally-${version}-${platform}`);
  const env = { HOME: home, PATH: '/nonexistent' };
  expect((await run(sally, ['--version'], { env })).stdout).toBe(`${version}\n`);
  const status = await run(sally, ['status'], { env }).catch((error) => error);
  expect([status.code, status.stdout, status.stderr]).toEqual([
    3,
    expect.stringContaining('Nobody is logged in'),
    '',
  ]);
  // As the fast path of ssh runs it: the program, and the file that it is to run.
  expect((await run(sally, [sally, '--version'], { env })).stdout).toBe(`${version}\n`);
});

test('install.sh installs what is signed, says what is next, and takes everything away again', async () => {
  const { code, stdout, stderr } = await install('--from', release);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toContain(`sally ${version} is in ${join(home, '.local', 'bin')}`);
  expect(stdout).toContain('is not in your PATH');
  expect((await run(installed(), ['--version'], { env: environment() })).stdout).toBe(`${version}\n`);
  const share = join(home, '.local', 'share');
  expect(await readFile(join(share, 'man', 'man1', 'sally.1'), 'utf8')).toContain('.TH SALLY 1');
  expect((await install('--uninstall')).code).toBe(0);
  const left = await readdir(home, { recursive: true, withFileTypes: true });
  expect(left.filter((entry) => entry.isFile()).map(({ name }) => name)).toEqual([]);
});

describe('install.sh installs nothing', () => {
  /** The same release with a program that is quick to copy. */
  let other: string;
  const program = () => `sally-${version}-${platform}`;

  beforeEach(async () => {
    other = join(folder, `other-${homes}`);
    await mkdir(other);
    for (const name of ['completion.bash', 'completion.fish', 'sally.1'])
      await cp(join(release, name), join(other, name));
    await writeProgram(`echo ${version}`);
    await sign(other, 'key', 7);
  });

  async function writeProgram(line: string): Promise<void> {
    await writeFile(join(other, program()), `#!/bin/sh\ntouch "$HOME/it-ran"\n${line}\n`);
    await chmod(join(other, program()), 0o755);
  }

  async function refuses(why: string, ...args: string[]): Promise<void> {
    const { code, stderr } = await install('--from', other, ...args);
    expect(stderr).toContain(why);
    expect(code).not.toBe(0);
    const left = await readdir(home, { recursive: true, withFileTypes: true });
    expect(left.filter((entry) => entry.isFile()).map(({ name }) => name)).toEqual([]);
  }

  test('that another key signed', async () => {
    await sign(other, 'other', 8);
    await refuses('not signed by a key that this script knows');
  });

  test('whose text was changed under the signature', async () => {
    const file = join(other, 'sally.release');
    await writeFile(file, (await readFile(file, 'utf8')).replace('number 7', 'number 9'));
    await refuses('not signed by a key that this script knows');
  });

  test('that is not what the release says, and does not run it', async () => {
    await writeProgram('echo 9.9.9');
    await refuses('is not what the release says');
  });

  test('that is out of date', async () => {
    await sign(other, 'key', 7, 2 * 86_400_000, 1);
    await refuses('out of date');
  });

  test('of another version than was asked for, over plain http, or for want of a key', async () => {
    await refuses('not 9.9.9', '--version', '9.9.9');
    const plain = await install('--from', 'http://releases.example.com');
    expect(plain.stderr).toContain('must be https');
    const script = join(root, 'deploy', 'install.sh');
    const keyless = await run('sh', [script, '--from', other], { env: environment() }).catch(
      (error) => error,
    );
    expect(keyless.stderr).toContain('no key of those who sign releases');
  });

  test('that is older than what was installed before', async () => {
    expect((await install('--from', other)).code).toBe(0);
    await sign(other, 'key', 6);
    const { code, stderr } = await install('--from', other);
    expect(code).toBe(1);
    expect(stderr).toContain('older than what was installed before');
  });
});

test('the Debian package has the program, the manual and completions, and leaves nothing when it goes', async () => {
  const small = join(folder, 'small');
  await mkdir(small);
  for (const name of await readdir(release)) {
    if (!name.startsWith('sally-') && !name.startsWith('sallyport-'))
      await cp(join(release, name), join(small, name));
  }
  await writeFile(join(small, `sally-${version}-linux-x64`), `#!/bin/sh\necho ${version}\n`);
  const { stdout } = await run(
    'sh',
    [join(root, 'deploy/debian/build.sh'), small, version, 'amd64', folder],
    {
      env: { ...process.env, COMPRESSION: '1' },
    },
  );
  const scratch = join(folder, 'scratch');
  await mkdir(join(scratch, 'var/lib/dpkg/info'), { recursive: true });
  await mkdir(join(scratch, 'var/lib/dpkg/updates'));
  for (const name of ['status', 'available']) await writeFile(join(scratch, 'var/lib/dpkg', name), '');
  const dpkg = async (...args: string[]) =>
    await run(
      'dpkg',
      ['--root', scratch, '--force-not-root,architecture,depends', '--no-triggers', ...args],
      {
        env: { PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, DEBIAN_FRONTEND: 'noninteractive' },
      },
    );
  await dpkg('--install', stdout.trim());
  expect((await run(join(scratch, 'usr/bin/sally'), ['--version'])).stdout).toBe(`${version}\n`);
  const files = (await dpkg('--listfiles', 'sally')).stdout;
  for (const path of [
    '/usr/share/man/man1/sally.1.gz',
    '/usr/share/bash-completion/completions/sally',
    '/usr/share/zsh/vendor-completions/_sally',
    '/usr/share/fish/vendor_completions.d/sally.fish',
    '/usr/share/doc/sally/copyright',
  ]) {
    expect(files).toContain(path);
  }
  await dpkg('--purge', 'sally');
  const left = await readdir(join(scratch, 'usr'), { recursive: true }).catch(() => []);
  expect(left.filter((path) => path.includes('sally'))).toEqual([]);
});

test('the Homebrew formula names the checksum of what was built', async () => {
  const formula = await readFile(join(release, 'sally.rb'), 'utf8');
  const sums = await readFile(join(release, 'SHA256SUMS'), 'utf8');
  const [, sum] =
    new RegExp(`^([0-9a-f]{64})  sally-${version.replaceAll('.', '\\.')}-linux-x64$`, 'm').exec(sums) ?? [];
  if (platform === 'linux-x64') expect(formula).toContain(`sha256 "${sum}"`);
  expect(formula).toContain(`version "${version}"`);
  expect(formula).not.toContain('@VERSION@');
  // The words for whoever looks at the template stay there.
  expect(formula).toMatch(/^class Sally < Formula$/m);
  expect(formula.startsWith('class ')).toBe(true);
});
