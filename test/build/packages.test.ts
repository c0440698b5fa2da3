/**
 * The two packages of `npm run build`, packed, and installed where the repository is not.
 * [abuse 132], its part of builds: nothing of the building machine or its environment gets into what is published.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { companionProgram } from '../../build/companion-program.ts';
import { root } from '../dev/started-program.ts';

const run = promisify(execFile);
const secret = 'marked-secret-0f7c1f62';
let folder: string;
let npm: readonly string[];

/** npm with nothing but what is in the tarball: no registry, no cache of earlier installations. */
async function runNpm(args: readonly string[], cwd: string): Promise<string> {
  const env = {
    PATH: process.env['PATH'],
    HOME: join(folder, 'home'),
    npm_config_cache: join(folder, 'cache'),
    npm_config_offline: 'true',
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    npm_config_update_notifier: 'false',
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

test('@sallyport/server runs below node_modules, where Node strips no types', async () => {
  const modules = join(folder, 'machine', 'node_modules');
  await mkdir(join(modules, '@sallyport'), { recursive: true });
  await run('tar', ['-xzf', npm[1] ?? '', '-C', join(modules, '@sallyport')]);
  await run('mv', [join(modules, '@sallyport', 'package'), join(modules, '@sallyport', 'server')]);
  // What npm would fetch: the same versions lie here.
  const server = join(modules, '@sallyport', 'server');
  const { dependencies } = JSON.parse(await readFile(join(server, 'package.json'), 'utf8'));
  for (const name of Object.keys(dependencies)) {
    await mkdir(dirname(join(modules, name)), { recursive: true });
    await symlink(join(root, 'node_modules', name), join(modules, name));
  }
  expect(await textsBelow(join(server, 'src'))).not.toMatch(/from "\.[^"]*\.ts"/);
  const sallyport = join(server, 'bin', 'sallyport.js');
  const env = { PATH: process.env['PATH'] };
  const served = await run(process.execPath, [sallyport, 'serve'], { env }).catch((error) => error);
  expect(served.stderr).toContain('DATABASE_URL: the Postgres database');
  const keys = join(folder, 'keys');
  await run(process.execPath, [sallyport, 'keys', 'create', keys], { env: { ...env, SALLYPORT_KEYS: keys } });
  expect((await readdir(keys)).length).toBeGreaterThan(2);
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
