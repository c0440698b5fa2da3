import { spawnSync } from 'node:child_process';
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Person, run } from './person.ts';
import { ServerDouble } from './server-double.ts';

const silent = { code: 0, stdout: '', stderr: '' };
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

/** A program in place of Node that would show that it was started. */
function trap(): void {
  const text = `#!/bin/sh\necho started >'${alice.home}/started'\necho noise\necho noise >&2\nexit 7\n`;
  writeFileSync(`${alice.home}/node`, text);
  chmodSync(`${alice.home}/node`, 0o755);
}

async function withProgram(program: { node: string; entry: string }): Promise<void> {
  const installed = await alice.sally(['ssh-config', 'install'], { environment: { program } });
  expect(installed.code).toBe(0);
}

describe('the fast path', () => {
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

  test('is silent in an outage, and pauses before it tries again', async () => {
    await server.stop();
    alice.forceRenewal();
    expect(await alice.fresh()).toEqual(silent);
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
      ? 'tells a person at a terminal that the session is over'
      : 'tells a person at a terminal that the session is over (script of bsdutils is not installed)',
    async () => {
      server.faults.sessionOver = true;
      await alice.sally(['cert', 'ensure', '--force']);
      expect(atTerminal()).toBe('sally: session expired, run: sally login\n');
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
