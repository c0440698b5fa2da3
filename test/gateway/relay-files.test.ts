/** Programs that copy files find behind a target's name what they find at a host: the name is all that they are told. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { RelayWorld } from './relay-world.ts';
import { type Person, type Ran, RunningSsh, runSsh } from './ssh-client.ts';
import { appLogin, hasNames, web } from './test-world.ts';

const world = new RelayWorld();
const binary = randomBytes(3_000_000);
let folder: string;
let file: string;

beforeAll(async () => {
  if (!hasNames) return;
  await world.open();
  folder = join(world.folder, 'files');
  file = join(folder, 'sent');
  await mkdir(folder);
  await writeFile(file, binary);
});
afterEach(() => world.killStarted());
afterAll(() => world.close());

const names = [
  ['its name', web.targetName],
  ['its number', '100001-600001'],
] as const;

/** Another program than ssh, which starts ssh itself with the person's configuration. */
async function run(
  program: string,
  args: readonly string[],
  more: Record<string, string> = {},
): Promise<Ran> {
  const child = spawn(program, args, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: '/usr/bin:/bin', HOME: '/nonexistent', ...more },
  });
  return await new RunningSsh(child).ended;
}

const port = () => String(world.gateway.port);
const good = { status: 0, stdout: '' };

async function expectTheSame(path: string): Promise<void> {
  expect((await readFile(path)).equals(binary)).toBe(true);
}

async function copiesBack(person: Person, name: string, args: readonly string[]): Promise<void> {
  const there = `${name}@127.0.0.1:copy`;
  const back = join(folder, `back-${randomBytes(4).toString('hex')}`);
  const options = ['-q', '-F', person.configuration, '-P', port(), ...args];
  expect(await run('/usr/bin/scp', [...options, file, there])).toEqual({ ...good, stderr: '' });
  await expectTheSame(join(world.folder, 'host', 'home', 'copy'));
  expect(await run('/usr/bin/scp', [...options, there, back])).toEqual({ ...good, stderr: '' });
  await expectTheSame(back);
}

describe.skipIf(!hasNames)('by the gateway (needs root, sshd, curl, libnss-extrausers)', () => {
  test.each(names)('[seeds 23] ssh reaches a target by %s', async (_what, name) => {
    const person = await world.person();
    expect(await runSsh(person, world.at(name, 'id -un'))).toMatchObject({
      status: 0,
      stdout: `${appLogin}\n`,
    });
  });

  test.each(names)(
    '[seeds 23] scp copies to a target and back by %s, in both protocols',
    async (_what, name) => {
      const person = await world.person();
      await copiesBack(person, name, []);
      await copiesBack(person, name, ['-O']);
    },
  );

  test.each(names)('[seeds 23] sftp gets, puts and lists by %s', async (_what, name) => {
    const person = await world.person();
    const batch = join(folder, `batch-${name}`);
    const back = join(folder, `sftp-${name}`);
    await writeFile(batch, `put ${file} by-sftp\nls -1\nget by-sftp ${back}\nrm by-sftp\n`);
    const args = ['-q', '-F', person.configuration, '-P', port(), '-b', batch, `${name}@127.0.0.1`];
    const ran = await run('/usr/bin/sftp', args);
    expect(ran).toMatchObject({ status: 0, stdout: expect.stringMatching(/^by-sftp\s*$/m) });
    await expectTheSame(back);
  });

  test.each(names)('[seeds 23] rsync copies a folder to a target and back by %s', async (_what, name) => {
    const person = await world.person();
    const rsh = `/usr/bin/ssh -F ${person.configuration} -p ${port()}`;
    const tree = join(folder, `tree-${name}`);
    await mkdir(join(tree, 'deep'), { recursive: true });
    await writeFile(join(tree, 'deep', 'with blank'), binary);
    const there = `${name}@127.0.0.1:tree-${name}/`;
    expect(await run('/usr/bin/rsync', ['-a', '-e', rsh, `${tree}/`, there])).toEqual({
      ...good,
      stderr: '',
    });
    expect(await run('/usr/bin/rsync', ['-a', '-e', rsh, there, `${tree}-back/`])).toEqual({
      ...good,
      stderr: '',
    });
    await expectTheSame(join(`${tree}-back`, 'deep', 'with blank'));
  });

  test.each(names)('[seeds 23] git pushes to a target and clones from it by %s', async (_what, name) => {
    const person = await world.person();
    const repository = `repository-${name}.git`;
    expect(await runSsh(person, world.at(name, `git init -q --bare -b main ${repository}`))).toMatchObject(
      good,
    );
    const environment = {
      GIT_SSH_COMMAND: `/usr/bin/ssh -F ${person.configuration}`,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_AUTHOR_NAME: 'a',
      GIT_AUTHOR_EMAIL: 'a@example.com',
      GIT_COMMITTER_NAME: 'a',
      GIT_COMMITTER_EMAIL: 'a@example.com',
    };
    const git = async (...args: string[]) => {
      const ran = await run('/usr/bin/git', args, environment);
      expect(ran, ran.stderr).toMatchObject({ status: 0 });
    };
    const url = `ssh://${name}@127.0.0.1:${port()}/~/${repository}`;
    const work = `work-${name}`;
    await git('init', '-q', '-b', 'main', work);
    await writeFile(join(folder, work, 'file'), binary);
    await git('-C', work, 'add', 'file');
    await git('-C', work, 'commit', '-q', '-m', 'first');
    await git('-C', work, 'push', '-q', url, 'main');
    await git('clone', '-q', url, `clone-${name}`);
    await expectTheSame(join(folder, `clone-${name}`, 'file'));
  });
});
