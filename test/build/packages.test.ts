/**
 * The two packages of `npm run build`, packed, and installed where the repository is not.
 * [abuse 132], its part of builds: nothing of the building machine or its environment gets into what is published.
 * [abuse 123], its part of what is kept compiled: the home of somebody else, as root.
 */
import { execFile } from 'node:child_process';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { companionProgram } from '../../build/companion-program.ts';
import { hasPostgres } from '../database/fresh-database.ts';
import { root, start } from '../dev/started-program.ts';
import { type Installation, newInstallation, setupOfGlobex } from '../server/installation.ts';

const run = promisify(execFile);
const secret = 'marked-secret-0f7c1f62';
let folder: string;
let npm: readonly string[];

/** npm reads what the machine says of registries and their authorities beside the Node that it came with. */
const pathOfTheMachine = (process.env['PATH'] ?? '')
  .split(delimiter)
  .filter((place) => !place.includes('node_modules'))
  .join(delimiter);

/** npm with nothing but what is in the tarball: no registry, no cache of earlier installations. */
async function runNpm(args: readonly string[], cwd: string, settings = {}): Promise<string> {
  const env = {
    PATH: pathOfTheMachine,
    HOME: join(folder, 'home'),
    npm_config_cache: join(folder, 'cache'),
    npm_config_offline: 'true',
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    npm_config_update_notifier: 'false',
    ...settings,
  };
  const { stdout } = await run('npm', [...args], { cwd, env });
  return stdout;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sally-packages-'));
  await mkdir(join(folder, 'home'));
  const env = { ...process.env, SALLY_TOKEN: secret, NPM_TOKEN: secret };
  await run(process.execPath, [join(root, 'build', 'build.ts'), '--out', folder], { env });
  const packed = await runNpm(
    ['pack', './packages/sally', './packages/server', '--pack-destination', folder, '--json'],
    folder,
  );
  npm = (JSON.parse(packed) as { filename: string }[]).map(({ filename }) => join(folder, filename));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function textsBelow(path: string): Promise<string> {
  const names = await readdir(path, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile());
  const texts = await Promise.all(
    files.map(({ parentPath, name }) => readFile(join(parentPath, name), 'utf8')),
  );
  return texts.join('\n');
}

test('@sallyport/sally is installed without a registry, and runs', async () => {
  const place = join(folder, 'laptop');
  await mkdir(place);
  await writeFile(join(place, 'package.json'), '{"private": true}');
  await runNpm(['install', npm[0] ?? ''], place);
  expect(await readdir(join(place, 'node_modules', '@sallyport'))).toEqual(['sally']);
  expect((await readdir(join(place, 'node_modules'))).filter((name) => !name.startsWith('.'))).toEqual([
    '@sallyport',
  ]);
  const sally = join(place, 'node_modules', '.bin', 'sally');
  const env = { PATH: dirname(process.execPath), HOME: join(folder, 'home') };
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  expect((await run(sally, ['--version'], { env })).stdout).toBe(`${version}\n`);
  // A command of each kind of part: declared at once, read from beside, and with packages in it.
  const status = await run(sally, ['status'], { env }).catch((error) => error);
  expect([status.code, status.stdout]).toEqual([3, expect.stringContaining('Nobody is logged in')]);
  expect((await run(sally, ['completion', 'fish'], { env })).stdout).toContain('complete -c sally');
  const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7kJ5cvN1Ue0Yt1Jrc5ZP0HLC0bD1Hv0vQ8aYfVjT7V';
  await writeFile(join(place, 'key.pub'), `${key}\n`);
  const inspected = await run(sally, ['inspect', join(place, 'key.pub'), '--json'], { env }).catch(
    (error) => error,
  );
  expect(inspected.stdout).toContain('"found"');
  await writeFile(join(place, 'cases.yaml'), 'cases: 3\n');
  const tested = await run(sally, ['admin', 'policy', 'test', join(place, 'cases.yaml')], { env }).catch(
    (e) => e,
  );
  expect(tested.stderr).toMatch(/^sally: /);
  expect(tested.stderr).not.toContain('unexpected error');
});

test('it keeps what it has compiled, makes it anew where it is damaged, and believes nothing that others may write', async () => {
  const sally = join(folder, 'laptop', 'node_modules', '.bin', 'sally');
  const home = await mkdtemp(join(folder, 'home-'));
  const env = { PATH: dirname(process.execPath), HOME: home };
  const kept = join(home, '.cache', 'sally');
  const complete = async () => {
    const { stdout, stderr } = await run(sally, ['completion', 'fish'], { env });
    expect([stdout, stderr]).toEqual([expect.stringContaining('complete -c sally'), '']);
    return (await readdir(kept)).filter((name) => name.endsWith('.code'));
  };
  await mkdir(kept, { recursive: true, mode: 0o700 });
  const earlier = join(kept, '0123456789abcdef-of-an-earlier-one.code');
  await writeFile(earlier, '');
  await utimes(earlier, 1, 1);
  const [name = '', ...others] = await complete();
  expect([name, others]).toEqual([expect.stringMatching(/^[0-9a-f]{16}-v[0-9.]+-\w+-completion\.code$/), []]);
  const file = join(kept, name);
  const { mode, size } = await stat(file);
  expect([mode & 0o777, size > 50_000]).toEqual([0o600, true]);
  // It is used: what is good is not made again.
  await utimes(file, 1, 1);
  await complete();
  expect((await stat(file)).mtimeMs).toBe(1000);
  await writeFile(file, 'nonsense');
  await complete();
  expect((await stat(file)).size).toBeGreaterThan(50_000);
  // V8 would believe it, and crash.
  const good = await readFile(file);
  const damaged = [0.2, 0.4, 0.7].map((part) => {
    const at = Math.floor(good.length * part);
    return Buffer.from(good).fill(0xff, at, at + 16);
  });
  for (const bytes of [...damaged, good.subarray(0, good.length / 2)]) {
    await writeFile(file, bytes);
    await utimes(file, 1, 1);
    await complete();
    expect((await stat(file)).mtimeMs).toBeGreaterThan(1000);
  }
  // Who may write a folder may put others in the place of those in it.
  for (const open of [kept, dirname(kept), home]) {
    await writeFile(file, 'nonsense');
    await chmod(open, 0o777);
    await complete();
    expect(await readFile(file, 'utf8')).toBe('nonsense');
    await chmod(open, 0o700);
  }
  // Nor is there one of a command that failed, or is none.
  for (const word of ['status', 'no-such-command']) await run(sally, [word], { env }).catch(() => {});
  expect((await readdir(kept)).filter((one) => one.endsWith('.code'))).toEqual([name]);
});

test.skipIf(process.getuid?.() !== 0)(
  '[abuse 123] root with the home of somebody else, as after sudo, keeps nothing compiled in it',
  async () => {
    const sally = join(folder, 'laptop', 'node_modules', '.bin', 'sally');
    const home = await mkdtemp(join(folder, 'home-'));
    const completes = async (settings = {}) => {
      const env = { PATH: dirname(process.execPath), HOME: home, ...settings };
      const { stdout, stderr } = await run(sally, ['completion', 'fish'], { env });
      expect([stdout, stderr]).toEqual([expect.stringContaining('complete -c sally'), '']);
    };
    await chown(home, 12_345, 12_345);
    await completes();
    expect(await readdir(home)).toEqual([]);
    const caches = join(home, '.cache');
    await mkdir(caches);
    await chown(caches, 12_345, 12_345);
    await completes();
    await completes({ XDG_CACHE_HOME: caches });
    expect(await readdir(caches)).toEqual([]);
  },
);

describe.skipIf(!hasPostgres)(
  '@sallyport/server, installed by npm where nothing else is (needs Postgres)',
  () => {
    let sallyport: string;
    let globex: Installation;

    beforeAll(async () => {
      const place = join(folder, 'machine');
      await mkdir(place);
      await writeFile(join(place, 'package.json'), '{"private": true}');
      // Its packages are those that the repository has, so npm has kept them; else it asks the registry.
      const { npm_config_cache, NPM_CONFIG_CACHE } = process.env;
      const cache = npm_config_cache ?? NPM_CONFIG_CACHE ?? join(homedir(), '.npm');
      const kept = {
        npm_config_cache: cache,
        npm_config_offline: 'false',
        npm_config_prefer_offline: 'true',
      };
      [globex] = await Promise.all([newInstallation(), runNpm(['install', npm[1] ?? ''], place, kept)]);
      sallyport = join(place, 'node_modules', '.bin', 'sallyport');
    });
    afterAll(() => globex?.close());

    /** As a machine would run it: from elsewhere, and with nothing of this process. */
    async function server(
      args: readonly string[],
      settings = {},
    ): Promise<{ stdout: string; stderr: string }> {
      const env = { PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, ...settings };
      return await run(sallyport, [...args], { cwd: '/', env }).catch((error) => error);
    }

    test('says what it can do and what it needs', async () => {
      expect((await server(['--help'])).stdout).toMatch(/^Usage: sallyport /);
      expect((await server(['serve'])).stderr).toContain('DATABASE_URL: the Postgres database');
    });

    test('makes keys, sets an organization up and serves it', async () => {
      await server(['keys', 'create', globex.keys], globex.environment);
      expect((await readdir(globex.keys)).length).toBeGreaterThan(2);
      const file = join(globex.folder, 'setup.json');
      await writeFile(file, JSON.stringify(setupOfGlobex));
      expect((await server(['setup', file], globex.environment)).stdout).toContain('gateway bastion: ');
      const serving = start(sallyport, ['serve'], globex.environment);
      await serving.says(/listening at http:\/\/127\.0\.0\.1:[0-9]+/);
      const [, port] = /listening at http:\/\/127\.0\.0\.1:([0-9]+)/.exec(serving.output()) ?? [];
      globex.frontDoor.leadTo([Number(port)]);
      expect((await fetch(new URL('/healthz', globex.publicUrl))).status).toBe(200);
      const info = await fetch(new URL('/console', globex.publicUrl), { redirect: 'manual' });
      expect(info.status).toBeLessThan(400);
      serving.child.kill('SIGTERM');
      expect(await serving.ended).toBe(0);
    });
  },
);

test('Node strips no types below node_modules, so no module of the server names one', async () => {
  const texts = await textsBelow(join(folder, 'packages', 'server', 'src'));
  expect(texts).toContain('from "./');
  expect(texts).not.toMatch(/from "\.[^"]*\.ts"/);
});

test('[abuse 132] no package holds a secret of the environment, a path of this machine or a source map', async () => {
  const texts = await textsBelow(join(folder, 'packages'));
  const companion = await companionProgram();
  for (const found of [secret, root, homedir(), 'sourceMappingURL', 'sourcesContent']) {
    if (found === '/' || found === '/root') continue;
    expect(texts.includes(found), found).toBe(false);
    expect(companion.includes(found), found).toBe(false);
  }
});

test('the companion is one file, with the programs that it builds or writes on its machine', async () => {
  const file = join(folder, 'companion.cjs');
  await writeFile(file, await companionProgram());
  const { stdout } = await run(process.execPath, [file, 'host', 'install', '--help']);
  expect(stdout).toContain('--with-host-key');
  const text = await readFile(file, 'utf8');
  for (const name of ['ask.c', 'session.c', 'question.h', 'route.sh', 'code-hook.sh', 'route-code.sh']) {
    expect(text).toContain(`"${name}"`);
  }
});
