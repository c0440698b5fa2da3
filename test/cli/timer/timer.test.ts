/** The texts of the timers, read by the systems' own programs where they are here; no timer of a system runs in tests. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { narrowedPaths } from '../../../src/cli/narrowed-paths.ts';
import type { ProgramRun } from '../../../src/cli/run-program.ts';
import { statePaths } from '../../../src/cli/state-paths.ts';
import { systemdService } from '../../../src/cli/timer/timer-texts.ts';
import { Person, type RunOptions, runAsync, sallyEntry } from '../person.ts';
import { ServerDouble } from '../server-double.ts';

const has = (program: string) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;

let server: ServerDouble;
let alice: Person;
let ran: string[];

beforeEach(async () => {
  server = new ServerDouble();
  await server.start();
  alice = new Person("home with a 'word' & more".replaceAll("'", ''));
  ran = [];
});
afterEach(async () => {
  await server.stop();
  alice.remove();
});

const on = (platform: NodeJS.Platform, status = 0): RunOptions => ({
  environment: { platform },
  runProgram: async ({ program, args }: ProgramRun) => {
    ran.push([program, ...args].join(' '));
    return status;
  },
});

describe('a timer', () => {
  test('of systemd is two units that systemd reads, and goes away without a trace', async () => {
    const installed = await alice.sally(['timer', 'install'], on('linux'));
    expect([installed.code, installed.stderr]).toEqual([0, '']);
    const folder = join(alice.home, '.config', 'systemd', 'user');
    const [service, timer] = ['sally.service', 'sally.timer'].map((name) => join(folder, name));
    expect(readFileSync(timer ?? '', 'utf8')).toMatch(/^Persistent=true\nWakeSystem=false$/m);
    expect(readFileSync(timer ?? '', 'utf8')).toMatch(/^RandomizedDelaySec=\d+$/m);
    if (has('systemd-analyze')) {
      const environment = { XDG_RUNTIME_DIR: alice.home, HOME: alice.home };
      const said = await runAsync(
        'systemd-analyze',
        ['--user', '--man=no', 'verify', service ?? '', timer ?? ''],
        environment,
      );
      expect(said.stderr).not.toMatch(/sally/);
    }
    expect(ran).toEqual([
      'systemctl --user --quiet daemon-reload',
      'systemctl --user --quiet enable --now sally.timer',
    ]);
    expect(JSON.parse((await alice.sally(['timer', 'status', '--json'], on('linux'))).stdout)).toMatchObject({
      kind: 'systemd',
      installed: true,
      current: true,
    });
    ran = [];
    await alice.sally(['timer', 'uninstall'], on('linux'));
    expect([existsSync(service ?? ''), existsSync(timer ?? '')]).toEqual([false, false]);
    expect(ran[0]).toBe('systemctl --user --quiet disable --now sally.timer');
    expect((await alice.sally(['timer', 'uninstall'], on('linux'))).stdout).toBe('No timer is installed.\n');
  });

  test('says so where the system runs none, and starts nothing of another sally without a word', async () => {
    const { code, stderr } = await alice.sally(['timer', 'install'], on('linux', 1));
    expect([code, stderr]).toEqual([1, expect.stringContaining('daemon-reload" ended with 1')]);
    const elsewhere = { environment: { program: { node: '/usr/bin/node', entry: '/opt/sally.js' } } };
    expect((await alice.sally(['timer', 'status'], elsewhere)).stdout).toContain('Run: sally timer install');
    const machine = { environment: { machine: { apiToken: 'x' } } };
    expect((await alice.sally(['timer', 'install'], machine)).stderr).toContain('unset SALLY_TOKEN');
  });

  test.skipIf(!has('python3'))('of launchd is a property list, begun again after sleep', async () => {
    await alice.sally(['timer', 'install'], on('darwin'));
    const file = join(alice.home, 'Library', 'LaunchAgents', 'sallyport.sally.plist');
    const read = 'import plistlib,json,sys;print(json.dumps(plistlib.load(open(sys.argv[1],"rb"))))';
    const plist = JSON.parse((await runAsync('python3', ['-c', read, file])).stdout);
    expect(plist.ProgramArguments).toEqual([
      ...[process.execPath, sallyEntry, 'cert', 'ensure', '--quiet', '--all-profiles', '--home', alice.home],
    ]);
    const minutes: number[] = plist.StartCalendarInterval.map(({ Minute }: { Minute: number }) => Minute);
    expect([minutes.length, Math.max(...minutes) < 60, new Set(minutes).size]).toEqual([15, true, 15]);
    expect(ran).toEqual([`launchctl load ${file}`]);
    await alice.sally(['timer', 'uninstall'], on('darwin'));
    expect([existsSync(file), ran.at(-1)]).toEqual([false, `launchctl unload ${file}`]);
  });

  test.skipIf(!has('python3'))('of Windows is a task in the words of its schema', async () => {
    await alice.sally(['timer', 'install'], on('win32'));
    const file = join(alice.paths.folder, 'timer.xml');
    const read =
      'import sys,xml.etree.ElementTree as e;print("\\n".join(x.tag.split("}")[1]+"="+(x.text or "").strip() for x in e.parse(sys.argv[1]).iter()))';
    const { stdout } = await runAsync('python3', ['-c', read, file]);
    expect(stdout).toContain('StartWhenAvailable=true');
    expect(stdout).toContain('WakeToRun=false');
    expect(stdout).toContain(`Command=${process.execPath}`);
    expect(stdout).toContain(`"--home" "${alice.home}"`);
    expect(ran).toEqual([`schtasks.exe /Create /F /TN Sallyport\\sally /XML ${file}`]);
  });

  test('[seeds 3] runs what renews every profile and every environment in use, ahead of ssh, and nothing twice', async () => {
    const other = new ServerDouble();
    await other.start();
    await alice.login(server.url);
    await alice.sally(['profile', 'add', 'work', '--server', other.url]);
    await alice.sally(['login', '--profile', 'work']);
    await alice.sally(['cert', 'ensure', '--environment', 'shop/production']);
    expect([server.issued, other.issued]).toEqual([2, 1]);
    const line = /^ExecStart="(.*)"$/m.exec(await unitText())?.[1] ?? '';
    const [program = '', ...args] = line.split('" "');
    const run = async () => await runAsync(program, args, { HOME: '/nowhere', SALLY_PROFILE: '' });
    expect(await run()).toEqual({ code: 0, stdout: '', stderr: '' });
    expect([server.issued, other.issued]).toEqual([2, 1]);
    const before = [
      alice.paths,
      narrowedPaths(alice.paths, { project: 'shop', environment: 'production' }),
    ].map(({ identity }) => readFileSync(identity, 'utf8'));
    // Three minutes before ssh would: a tenth of a second of work now, in place of a wait then.
    const later = { now: () => new Date(Date.now() + 47 * 60_000) };
    expect((await alice.sally(['cert', 'ensure', '--all-profiles'], later)).stdout).toBe(
      'default: renewed\ndefault shop/production: renewed\nwork: renewed\n',
    );
    expect([server.issued, other.issued]).toEqual([4, 2]);
    expect(readFileSync(alice.paths.identity, 'utf8')).not.toBe(before[0]);
    // What fails in one profile holds up no other.
    rmSync(statePaths(alice.home, 'person', 'default').session);
    mkdirSync(alice.paths.session);
    const { stdout } = await alice.sally(['cert', 'ensure', '--all-profiles'], later);
    expect(stdout).toMatch(/^work: (renewed|current)\n$/);
    await other.stop();
  });
});

test('a timer stays after a logout, asks the server nothing, and serves the next login', async () => {
  await alice.login(server.url);
  await alice.sally(['timer', 'install'], on('linux'));
  await alice.sally(['logout', '--all'], on('linux'));
  const asked = server.seen.length;
  const renewal = await alice.sally(['cert', 'ensure', '--quiet', '--all-profiles']);
  expect(renewal).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(server.seen.length).toBe(asked);
  const { stdout } = await alice.sally(['timer', 'status', '--json'], on('linux'));
  expect(JSON.parse(stdout)).toMatchObject({ installed: true, current: true });
  await alice.login(server.url);
  const later = { now: () => new Date(Date.now() + 47 * 60_000) };
  expect((await alice.sally(['cert', 'ensure', '--all-profiles'], later)).stdout).toBe('default: renewed\n');
});

test('a timer asks once for a session that was ended: then nothing is offered any more, and nobody is asked again', async () => {
  await alice.login(server.url);
  await alice.sally(['cert', 'ensure', '--environment', 'shop/production']);
  const narrowed = narrowedPaths(alice.paths, { project: 'shop', environment: 'production' });
  server.faults.sessionOver = true;
  const later = { now: () => new Date(Date.now() + 47 * 60_000) };
  expect((await alice.sally(['cert', 'ensure', '--all-profiles'], later)).stdout).toMatch(/^default: over$/m);
  for (const { identity } of [alice.paths, narrowed])
    expect(readFileSync(identity, 'utf8')).toContain('IdentityFile none');
  const asked = server.seen.length;
  for (const argv of [
    ['cert', 'ensure', '--quiet', '--all-profiles'],
    ['cert', 'ensure', '--quiet'],
  ])
    expect((await alice.sally(argv, later)).stdout).toBe('');
  expect(server.seen.length).toBe(asked);
});

/** The unit as it is installed. */
async function unitText(): Promise<string> {
  await alice.sally(['timer', 'install'], on('linux'));
  return readFileSync(join(alice.home, '.config', 'systemd', 'user', 'sally.service'), 'utf8');
}

test('systemd is told every word as it is, whatever it holds', () => {
  const words = ['/a b/%h', 'x$HOME', 'say "hi"', 'back\\slash'];
  const text = systemdService({ program: '/bin/true', args: words, home: '/home/a' });
  expect(text).toContain('ExecStart="/bin/true" "/a b/%%h" "x$$HOME" "say \\"hi\\"" "back\\\\slash"');
});
