import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { StatePaths } from '../../src/cli/state-paths.ts';
import { Person } from './person.ts';
import { ServerDouble } from './server-double.ts';

let server: ServerDouble;
let alice: Person;
let target: string;

beforeEach(async () => {
  server = new ServerDouble();
  await server.start();
  alice = new Person();
  target = join(alice.home, 'precious');
  writeFileSync(target, 'precious\n', { mode: 0o644 });
});
afterEach(async () => {
  await server.stop();
  alice.remove();
});

const isRoot = process.getuid?.() === 0;

const written: (keyof StatePaths)[] = [
  'config',
  'identity',
  'hosts',
  'byHand',
  'knownHosts',
  'fresh',
  'stepUp',
  'stepUpConfig',
  'isMachine',
  'renewAfter',
  'session',
  'pending',
];

function prepare(): void {
  mkdirSync(alice.paths.pairs, { recursive: true, mode: 0o700 });
}

function expectUntouched(): void {
  expect(readFileSync(target, 'utf8')).toBe('precious\n');
  expect(statSync(target).mode & 0o777).toBe(0o644);
}

describe('files that somebody planted', () => {
  test.each(written)('[abuse 119] a symbolic link at %s is not followed', async (name) => {
    prepare();
    symlinkSync(target, alice.paths[name]);
    const { code } = await alice.sally(['login', '--server', server.url]);
    expectUntouched();
    // Replaced by a file of ours, or refused; never written through.
    if (code === 0)
      expect(lstatSync(alice.paths[name], { throwIfNoEntry: false })?.isSymbolicLink()).not.toBe(true);
    else expect(code).toBe(6);
  });

  test.each(written)('[abuse 119] a hard link at %s is replaced, not written into', async (name) => {
    prepare();
    linkSync(target, alice.paths[name]);
    await alice.sally(['login', '--server', server.url]);
    expectUntouched();
  });

  test.each(['config', 'identity', 'hosts', 'byHand', 'knownHosts', 'fresh'] as const)(
    '[abuse 119] a link that comes later at %s is replaced at the next renewal',
    async (name) => {
      await alice.login(server.url);
      rmSync(alice.paths[name]);
      symlinkSync(target, alice.paths[name]);
      const { code } = await alice.sally(['cert', 'ensure', '--force']);
      expect(code).toBe(0);
      expectUntouched();
      expect(lstatSync(alice.paths[name]).isFile()).toBe(true);
    },
  );

  test.each(['sshFolder', 'folder', 'pairs'] as const)(
    '[abuse 119] a link at the folder %s is refused',
    async (name) => {
      const elsewhere = join(alice.home, 'elsewhere');
      mkdirSync(elsewhere, { mode: 0o755 });
      mkdirSync(join(alice.paths[name], '..'), { recursive: true, mode: 0o700 });
      symlinkSync(elsewhere, alice.paths[name]);
      const { code, stderr } = await alice.sally(['login', '--server', server.url]);
      expect(code).toBe(6);
      expect(stderr).toContain(`${alice.paths[name]} is not a folder (a symbolic link?)`);
      expect(readdirSync(elsewhere)).toEqual([]);
      expect(statSync(elsewhere).mode & 0o777).toBe(0o755);
      expect(server.seen).toEqual([]);
    },
  );

  test('[abuse 119] a link at the lock is refused', async () => {
    prepare();
    symlinkSync(target, alice.paths.lock);
    const { code, stderr } = await alice.sally(['login', '--server', server.url]);
    expect(code).toBe(6);
    expect(stderr).toContain(alice.paths.lock);
    expectUntouched();
  });

  test('[abuse 119] a link in place of a pair is not used', async () => {
    await alice.login(server.url);
    const [pair = ''] = readdirSync(alice.paths.pairs);
    const moved = join(alice.home, 'moved');
    const { renameSync } = await import('node:fs');
    renameSync(join(alice.paths.pairs, pair), moved);
    symlinkSync(moved, join(alice.paths.pairs, pair));
    await alice.sally(['cert', 'ensure']);
    expect(server.issued).toBe(2);
    expect(alice.identity()).not.toContain(pair);
  });

  test.skipIf(!isRoot)('[abuse 119] what belongs to somebody else is not used (needs root)', async () => {
    await alice.login(server.url);
    const key = /IdentityFile "(.*)"/.exec(alice.identity())?.[1] ?? '';
    chownSync(key, 12_345, 12_345);
    await alice.sally(['cert', 'ensure']);
    expect(alice.identity()).not.toContain(key);
    const asked = server.seen.length;
    for (const path of [alice.paths.session, alice.paths.userConfig]) {
      chownSync(path, 12_345, 12_345);
      const { code, stderr } = await alice.sally(
        path === alice.paths.session ? ['whoami'] : ['ssh-config', 'uninstall'],
      );
      expect({ code, stderr }).toEqual({ code: 6, stderr: expect.stringContaining(path) });
      chownSync(path, process.getuid?.() ?? 0, process.getgid?.() ?? 0);
    }
    expect(server.seen.length).toBe(asked);
  });

  test('[abuse 119] logout deletes links, not what they lead to', async () => {
    await alice.login(server.url);
    symlinkSync(alice.home, join(alice.paths.pairs, 'x'));
    await alice.sally(['logout']);
    expect(readdirSync(alice.paths.pairs)).toEqual([]);
    expectUntouched();
  });
});

describe('modes', () => {
  let umask = 0;
  beforeEach(() => {
    umask = process.umask(0);
  });
  afterEach(() => {
    process.umask(umask);
  });

  function everything(folder: string): [string, number][] {
    const found: [string, number][] = [];
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      const facts = lstatSync(join(folder, name));
      found.push([`${facts.isDirectory() ? 'folder' : 'file'} ${name}`, facts.mode & 0o077]);
    }
    return found;
  }

  test('[abuse 120] with umask 000 nothing below ~/.ssh is open to others, backup and old pairs included', async () => {
    alice.writeConfig('Host a\n');
    chmodSync(alice.paths.sshFolder, 0o777);
    await alice.login(server.url);
    await alice.sally(['cert', 'ensure', '--force']);
    server.faults.loseReplyOf = '/v1/certificates';
    await alice.sally(['cert', 'ensure', '--force']);
    expect(alice.has(alice.paths.pending)).toBe(true);
    expect(statSync(alice.paths.sshFolder).mode & 0o777).toBe(0o700);
    const found = everything(alice.paths.sshFolder);
    expect(found.length).toBeGreaterThan(14);
    expect(found.filter(([, open]) => open !== 0)).toEqual([]);
  });

  test('[abuse 120] folders that were opened are closed again', async () => {
    await alice.login(server.url);
    for (const folder of [alice.paths.sshFolder, alice.paths.folder, alice.paths.pairs])
      chmodSync(folder, 0o777);
    await alice.sally(['cert', 'ensure', '--force']);
    for (const folder of [alice.paths.sshFolder, alice.paths.folder, alice.paths.pairs]) {
      expect(statSync(folder).mode & 0o777).toBe(0o700);
    }
  });

  test('[abuse 120] tokens that others could read are not used', async () => {
    await alice.login(server.url);
    chmodSync(alice.paths.session, 0o644);
    const asked = server.seen.length;
    const { code, stderr } = await alice.sally(['whoami']);
    expect(code).toBe(6);
    expect(stderr).toBe(
      `sally: ${alice.paths.session} may be read by others. Run: chmod 600 ${alice.paths.session}\n`,
    );
    expect(server.seen.length).toBe(asked);
  });

  test('[abuse 120] a key that others could read is replaced by a new one', async () => {
    await alice.login(server.url);
    const key = /IdentityFile "(.*)"/.exec(alice.identity())?.[1] ?? '';
    chmodSync(key, 0o640);
    await alice.sally(['cert', 'ensure']);
    expect(alice.identity()).not.toContain(key);
  });
});

describe('a home that cannot be used', () => {
  test.each([
    ['unset', undefined, 'HOME is not set', 2],
    ['missing', '/nonexistent/home', 'does not exist', 6],
    ['relative', 'home', 'must be absolute', 2],
  ])('is refused in one line: %s', async (_what, home, why, expected) => {
    const { code, stderr } = await alice.sally(['login', '--server', server.url], {
      environment: { home, passwdHome: home },
    });
    expect(code).toBe(expected);
    expect(stderr).toContain(why);
    expect(stderr.split('\n')).toHaveLength(2);
    expect(server.seen).toEqual([]);
  });

  test('is refused in one line: a file in the place of ~/.ssh', async () => {
    writeFileSync(alice.paths.sshFolder, '');
    const { code, stderr } = await alice.sally(['login', '--server', server.url]);
    expect(code).toBe(6);
    expect(stderr).toMatch(/^sally: .*\n$/);
  });
});
