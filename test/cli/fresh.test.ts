import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ownAge } from '../../src/cli/fresh-script.ts';
import { narrowedPaths } from '../../src/cli/narrowed-paths.ts';
import { Person, run, runAsync } from './person.ts';
import { ServerDouble } from './server-double.ts';

/** And ssh is a person. */
const silent = { code: 1, stdout: '', stderr: '' };
const hasScript = spawnSync('script', ['--version']).error === undefined;

let server: ServerDouble;
let alice: Person;

beforeEach(async () => {
  server = new ServerDouble();
  await server.start();
  alice = new Person('home of alice');
  await alice.login(server.url);
});
afterEach(async () => {
  await server.stop();
  alice.remove();
});

/** Runs the fast path with a terminal on stderr, as a person at a shell has it. */
function atTerminal(): string {
  const { stdout } = run('script', ['-qec', `'${alice.paths.fresh}'`, '/dev/null']);
  return stdout.replaceAll('\r', '');
}

/** What sally itself says in a command, at a terminal. */
function said(command: string, shell: string): string[] {
  const { stdout } = run('script', ['-qec', command, '/dev/null'], { SHELL: shell });
  return stdout
    .replaceAll('\r', '')
    .split('\n')
    .filter((line) => line.startsWith('sally: '));
}

/** A program in place of Node that would show that it was started. */
function trap(): void {
  const text = `#!/bin/sh\necho started >'${alice.home}/started'\necho noise\necho noise >&2\nexit 7\n`;
  writeFileSync(`${alice.home}/node`, text);
  chmodSync(`${alice.home}/node`, 0o755);
}

/** As on macOS: the script looks for its process where nothing is. */
function withoutProc(): void {
  const script = readFileSync(alice.paths.fresh, 'utf8');
  expect(script).toContain(ownAge);
  writeFileSync(alice.paths.fresh, script.replaceAll(ownAge, '/nonexistent/.'));
}

async function withProgram(program: { node: string; entry: string }): Promise<void> {
  const installed = await alice.sally(['ssh-config', 'install'], { environment: { program } });
  expect(installed.code).toBe(0);
}

const posixShells = ['/bin/sh', '/bin/bash', '/usr/bin/zsh'].filter((path) => existsSync(path));
const shells = ['/bin/sh', '/bin/bash', '/usr/bin/zsh', '/usr/bin/fish', '/usr/bin/tcsh'].filter((path) =>
  existsSync(path),
);

describe('the fast path', () => {
  test.each(posixShells)(
    '[seeds 3] runs no program at all while the certificate is good, and asks nobody: %s',
    async (shell) => {
      const asked = server.seen.length;
      trap();
      await withProgram({ node: `${alice.home}/node`, entry: alice.paths.session });
      // Nothing is there to be found, and Node would show that it was started.
      const tools = join(alice.home, 'tools');
      mkdirSync(tools);
      expect(await runAsync(shell, [alice.paths.fresh], { PATH: tools })).toEqual(silent);
      expect(alice.has(`${alice.home}/started`)).toBe(false);
      expect(server.seen.length).toBe(asked + 1);
    },
  );

  test.each([
    ['the dates of its files are lost, as in a copy', (path: string) => utimesSync(path, 1, 1)],
    ['this is a system without /proc', () => withoutProc()],
  ])('[seeds 3] runs nothing but date where %s', async (_what, lose) => {
    const tools = join(alice.home, 'tools');
    mkdirSync(tools);
    symlinkSync('/bin/date', join(tools, 'date'));
    await withProgram({ node: '/bin/false', entry: alice.paths.session });
    lose(alice.paths.renewAfter);
    for (const shell of posixShells) {
      expect(await runAsync(shell, [alice.paths.fresh], { PATH: tools })).toEqual(silent);
    }
    trap();
    await withProgram({ node: `${alice.home}/node`, entry: alice.paths.session });
    lose(alice.paths.renewAfter);
    expect(await alice.fresh()).toEqual(silent);
    expect(alice.has(`${alice.home}/started`)).toBe(false);
  });

  test('[seeds 3] goes by this machine’s clock, whatever that of the home’s file system is', async () => {
    const [due = '', since = ''] = readFileSync(alice.paths.renewAfter, 'utf8').split('\n');
    expect(statSync(alice.paths.renewAfter).mtimeMs).toBe(Number(due) * 1000);
    expect(statSync(alice.paths.identity).mtimeMs).toBe(Number(since) * 1000);
    // What is over is read, by whatever clock it was written.
    await alice.sally(['logout']);
    expect(statSync(alice.paths.renewAfter).mtimeMs).toBe(0);
  });

  test('[seeds 3] has two minutes left when it renews, also of a certificate of a few minutes', async () => {
    server.faults.certificateLifeSeconds = 300;
    await alice.login(server.url);
    const due = Number(readFileSync(alice.paths.renewAfter, 'utf8').split('\n')[0]);
    const ends = Number(/# ends ([0-9]+)/.exec(alice.identity())?.[1]);
    expect(ends - due).toBe(120);
  });

  test('[seeds 3] renews what is of a login before the last one', async () => {
    await alice.sally(['cert', 'ensure', '--environment', 'shop/lab']);
    const narrowed = narrowedPaths(alice.paths, { project: 'shop', environment: 'lab' });
    const before = readFileSync(narrowed.identity, 'utf8');
    await alice.login(server.url);
    expect(await runAsync(alice.paths.fresh, ['shop/lab'])).toEqual(silent);
    expect(readFileSync(narrowed.identity, 'utf8')).not.toBe(before);
  });

  test.each(shells)(
    '[seeds 3] [seeds 56] is run by ssh through %s, with a word behind it too',
    async (SHELL) => {
      const place = { address: '127.0.0.1', port: 22, login: 'app', gateway: null };
      const narrow_to = { project: 'shop', environment: 'lab' };
      server.configuration.targets.push({ name: 'shop-lab--box', ...place, narrow_to });
      await alice.sally(['ssh-config', 'install']);
      alice.forceRenewal();
      for (const [name, issued] of [
        ['shop-production--web', 2],
        ['shop-lab--box', 3],
      ] as const) {
        const { code, stderr, stdout } = await alice.sshAsync(['-G', `${name}.sallyport`], { SHELL });
        expect({ code, stderr, issued: server.issued }).toEqual({ code: 0, stderr: '', issued });
        expect(stdout).toMatch(/^certificatefile /m);
      }
    },
  );

  test('is all that ssh runs for a person, once, also where ssh reads its config twice', async () => {
    const place = { address: '127.0.0.1', port: 22, login: 'app', gateway: null };
    const narrow_to = { project: 'shop', environment: 'lab' };
    server.configuration.targets.push({ name: 'shop-lab--box', ...place, narrow_to });
    await alice.sally(['ssh-config', 'install']);
    alice.writeConfig(`${alice.config()}\nMatch final\n  Compression no\n`);
    const canonical = ['CanonicalizeHostname=yes', 'CanonicalDomains=example.com'];
    const options = canonical.flatMap((option) => ['-o', option]);
    const script = `'${alice.paths.fresh}'`;
    for (const [name, command] of [
      ['shop-production--web', script],
      ['shop-lab--box', `${script} shop/lab`],
    ] as const) {
      const host = `${name}.sallyport`;
      for (const args of [
        ['-v', '-G', host],
        ['-v', '-G', ...options, host],
      ]) {
        const { stderr } = await alice.sshAsync(args);
        expect(stderr).toContain('re-parsing configuration');
        expect(stderr.match(/(?<=Executing command: ).*/g)).toEqual([`'${command}'`]);
        expect(alice.has(alice.paths.machineOwn)).toBe(false);
      }
    }
  });

  test('[seeds 56] is one plain word, where the home folder is; what it skips it finds out itself', async () => {
    const person = new Person('alice');
    try {
      await person.login(server.url);
      const { config, asMachine } = person.paths;
      const texts = [config, asMachine].map((path) => readFileSync(path, 'utf8'));
      const words = texts.join('').match(/exec ".*/g) ?? [];
      expect(words).toHaveLength(2);
      for (const word of words) expect(word).toMatch(/^exec "[A-Za-z0-9_./-]+"$/);
    } finally {
      person.remove();
    }
  });

  test('[seeds 58] opens no browser and says nothing under ssh -G, whatever the server wants', async () => {
    trap();
    for (const name of ['xdg-open', 'open', 'sensible-browser'])
      symlinkSync(`${alice.home}/node`, `${alice.home}/${name}`);
    const code = 'insufficient_user_authentication';
    server.faults.refuse = { '/v1/certificates': { status: 401, code, detail: 'A second factor.' } };
    rmSync(alice.paths.identity);
    alice.forceRenewal();
    const found = {
      PATH: `${alice.home}:${process.env['PATH']}`,
      DISPLAY: ':0',
      BROWSER: `${alice.home}/node`,
    };
    for (const host of ['shop-production--web.sallyport', 'example.com']) {
      const { code: status, stderr } = await alice.sshAsync(['-G', host], found);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    }
    expect(alice.has(`${alice.home}/started`)).toBe(false);
    // Offline: asks nobody at all while nothing is due.
    server.faults = {};
    await alice.login(server.url);
    const asked = server.seen.length;
    await alice.sshAsync(['-G', 'shop-production--web.sallyport'], found);
    expect(server.seen.length).toBe(asked);
  });
  test('starts no program while the certificate is good', async () => {
    trap();
    await withProgram({ node: `${alice.home}/node`, entry: alice.paths.session });
    expect(await alice.fresh()).toEqual(silent);
    expect(alice.has(`${alice.home}/started`)).toBe(false);
  });

  test('starts sally when a renewal is due, and is silent whatever that one says and returns', async () => {
    trap();
    await withProgram({ node: `${alice.home}/node`, entry: alice.paths.session });
    for (const due of ['1000000000\n', 'nonsense\n', '', '$(touch x)\n', '12 34\n']) {
      rmSync(`${alice.home}/started`, { force: true });
      writeFileSync(alice.paths.renewAfter, due);
      expect(await alice.fresh()).toEqual(silent);
      expect(alice.has(`${alice.home}/started`)).toBe(true);
    }
    expect(alice.has(alice.paths.renewing)).toBe(false);
  });

  test('renews for real, with stdin that it leaves alone', async () => {
    alice.forceRenewal();
    expect(await alice.fresh()).toEqual(silent);
    expect(server.issued).toBe(2);
  });

  test('works for HOME elsewhere: it was written for this one', async () => {
    alice.forceRenewal();
    expect(await alice.fresh({ HOME: '/nonexistent' })).toEqual(silent);
    expect(server.issued).toBe(2);
  });

  test('is silent when Node or the program is gone', async () => {
    for (const program of [
      { node: '/nonexistent/node', entry: alice.paths.session },
      { node: process.execPath, entry: '/nonexistent/sally.ts' },
    ]) {
      await withProgram(program);
      alice.forceRenewal();
      expect(await alice.fresh()).toEqual(silent);
      const { code, stderr } = alice.ssh(['-G', 'example.com']);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    }
  });

  test('is silent when the state is gone', async () => {
    for (const path of [alice.paths.identity, alice.paths.session, alice.paths.renewAfter]) rmSync(path);
    expect(await alice.fresh()).toEqual(silent);
  });

  test('[seeds 5] is silent in an outage, offers what it has, and pauses before it tries again', async () => {
    await server.stop();
    alice.forceRenewal();
    expect(await alice.fresh()).toEqual(silent);
    expect(alice.sshOptions('shop-production--web.sallyport').get('certificatefile')).toHaveLength(1);
    trap();
    await server.start();
    expect(await alice.fresh()).toEqual(silent);
    expect(server.issued).toBe(1);
  });

  test('is not held up by a mark that a killed one left', async () => {
    for (const mark of ['999999999\n', '', 'x\n', '0\n']) {
      writeFileSync(alice.paths.renewing, mark);
      alice.forceRenewal();
      expect(await alice.fresh()).toEqual(silent);
      expect(alice.has(alice.paths.renewing)).toBe(false);
    }
    expect(server.issued).toBe(5);
  });

  test('lets another one renew alone while the certificate at hand serves', async () => {
    writeFileSync(alice.paths.renewing, `${process.pid}\n`);
    alice.forceRenewal();
    expect(await alice.fresh()).toEqual(silent);
    expect(server.issued).toBe(1);
    writeFileSync(alice.paths.identity, alice.identity().replace(/# ends .*/, '# ends 1'));
    expect(await alice.fresh()).toEqual(silent);
    expect(server.issued).toBe(2);
  });

  test('says nothing where nobody reads, even when the session is over', async () => {
    writeFileSync(alice.paths.renewAfter, 'over\n');
    writeFileSync(alice.paths.identity, alice.identity().replace(/# ends .*/, '# ends 1'));
    expect(await alice.fresh()).toEqual(silent);
  });

  test.skipIf(!hasScript)(
    hasScript
      ? '[seeds 5] tells a person at a terminal that the session is over'
      : '[seeds 5] tells a person at a terminal that the session is over (script of bsdutils is not installed)',
    async () => {
      server.faults.sessionOver = true;
      await alice.sally(['cert', 'ensure', '--force']);
      expect(atTerminal()).toBe('sally: session expired, run: sally login\n');
      // ssh hands -F on to the ssh of a jump without quotes, so the path must have no space.
      const config = join(dirname(alice.home), 'config');
      symlinkSync(alice.paths.config, config);
      // The one shell stays between ssh and what it runs, the other does not.
      for (const shell of ['/bin/sh', '/bin/bash']) {
        expect(said(`ssh -F ${config} shop-production--web.sallyport`, shell)).toEqual([
          'sally: session expired, run: sally login',
        ]);
      }
      await alice.sally(['logout']);
      expect(atTerminal()).toBe('sally: nobody is logged in, run: sally login\n');
    },
  );

  test.skipIf(!hasScript).each([
    ['0 mfa', 'a second factor is needed, run: sally login --mfa'],
    ['0 mfa-900', 'a fresh second factor is needed, run: sally login --mfa --max-age 900'],
    ['0 refused', 'no certificate; to see why, run: sally cert ensure'],
  ])('tells a person at a terminal what the renewal gave: %s', async (schedule, told) => {
    // The renewal itself can't be started, so what the last one left stands.
    await withProgram({ node: '/bin/true', entry: alice.paths.session });
    writeFileSync(alice.paths.renewAfter, `${schedule}\n`);
    expect(atTerminal()).toBe('');
    writeFileSync(alice.paths.identity, alice.identity().replace(/# ends .*/, '# ends 1'));
    expect(atTerminal()).toBe(`sally: ${told}\n`);
    expect(await alice.fresh()).toEqual(silent);
  });

  test.skipIf(!hasScript).each(['0 mfa-', '0 mfa-$(id)', '0 mfa-9 9', '0 nonsense', 'mfa'])(
    'says nothing for a reason that it does not know: %s',
    async (schedule) => {
      await withProgram({ node: '/bin/true', entry: alice.paths.session });
      writeFileSync(alice.paths.renewAfter, `${schedule}\n`);
      writeFileSync(alice.paths.identity, alice.identity().replace(/# ends .*/, '# ends 1'));
      expect(atTerminal()).toBe('');
    },
  );
});
