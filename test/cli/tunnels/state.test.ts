/**
 * What is told of tunnels whose processes are gone, or are somebody else's by now.
 *
 * [seeds 50]: here the reboot, the pid that is used again, damaged files and systems without /proc.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  identityOf,
  isRunning,
  type ProcessIdentity,
  signal,
} from '../../../src/cli/tunnels/process-identity.ts';
import { tunnelLog } from '../../../src/cli/tunnels/tunnel-log.ts';
import type { Tunnel } from '../../../src/cli/tunnels/tunnel-state.ts';
import { Person } from '../person.ts';

let person: Person;
let process_: ChildProcess;
beforeEach(async () => {
  person = new Person();
  process_ = spawn('/bin/sleep', ['60'], { stdio: 'ignore' });
  await once(process_, 'spawn');
});
afterEach(() => {
  process_.kill('SIGKILL');
  person.remove();
});

const pid = () => process_.pid ?? 0;
const now = Math.floor(Date.now() / 1000);

function store(change: Partial<Tunnel>): string {
  const { id = '0badcafe' } = change;
  const folder = join(person.paths.folder, 'tunnels', id);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const tunnel: Tunnel = {
    ...{
      v: 1,
      id,
      machine: hostname(),
      profile: 'default',
      server: 'https://ssh.example.com',
      account: 'alice@example.com',
    },
    ...{ project: 'shop', environment: 'staging', environment_kind: 'staging', app: 'web' },
    ...{ target: 'shop-staging--web', mode: 'background', gateway_ports: false, opened_at: now },
    ...{ status: 'up', since: now, why: null, supervisor: null, ssh: null },
    services: [
      {
        ...{ name: 'db', kind: 'postgresql', address: '10.0.0.2', port: 5432, login: null, database: null },
        ...{ local_port: 30_000, open: true },
      },
    ],
    ...change,
  };
  writeFileSync(join(folder, 'state.json'), JSON.stringify(tunnel), { mode: 0o600 });
  return folder;
}

const list = async () => {
  const { stdout, stderr } = await person.sally(['tunnel', 'list', '--json']);
  return { tunnels: JSON.parse(stdout).tunnels, stderr };
};

describe('[seeds 50] a tunnel in the list', () => {
  test('is there as long as the very process that keeps it', async () => {
    const supervisor = (await identityOf(pid(), 'linux')) ?? null;
    const folder = store({ supervisor, ssh: supervisor });
    expect((await list()).tunnels).toMatchObject([{ id: '0badcafe', status: 'up', pid: pid() }]);
    process_.kill('SIGKILL');
    await once(process_, 'exit');
    const { tunnels, stderr } = await list();
    expect([tunnels, existsSync(folder)]).toEqual([[], false]);
    expect(stderr).toContain('the tunnel to shop-staging has lost the process that kept it');
  });

  test('is not kept by another process that has its pid, nor by one of the time before a reboot', async () => {
    const own = await identityOf(pid(), 'linux');
    const [boot = '', ticks = ''] = own?.started.split(' ') ?? [];
    for (const started of [`${boot} ${Number(ticks) - 1}`, `${boot.replace(/^./, 'x')} ${ticks}`]) {
      const folder = store({ supervisor: { pid: pid(), started }, ssh: { pid: pid(), started } });
      expect([(await list()).tunnels, existsSync(folder)]).toEqual([[], false]);
      // It is somebody else's: nobody ends it.
      expect(await isRunning(own ?? { pid: 0, started: '' }, 'linux')).toBe(true);
    }
  });

  test('is not up when its ssh is gone, whatever was written last', async () => {
    const supervisor = (await identityOf(pid(), 'linux')) ?? null;
    store({ supervisor, ssh: { pid: pid(), started: 'another' } });
    expect((await list()).tunnels).toMatchObject([{ status: 'reconnecting', why: 'ssh has ended' }]);
  });

  test('is not that of another machine with the same home, which is left alone', async () => {
    const folder = store({ machine: 'another', supervisor: { pid: pid(), started: 'there' } });
    expect(await list()).toEqual({ tunnels: [], stderr: '' });
    expect(existsSync(join(folder, 'state.json'))).toBe(true);
    // A machine may get another name while it runs.
    const supervisor = (await identityOf(pid(), 'linux')) ?? null;
    store({ machine: 'another', supervisor, ssh: supervisor });
    expect((await list()).tunnels).toMatchObject([{ status: 'up' }]);
  });

  test('that was refused stays with its reason for a week, without a process', async () => {
    const why = 'session expired, run: sally login';
    store({ status: 'refused', why });
    const { tunnels, stderr } = await list();
    expect([tunnels[0].status, tunnels[0].why, stderr]).toEqual(['refused', why, '']);
    const folder = store({ status: 'refused', why, since: now - 8 * 24 * 3600 });
    expect([(await list()).tunnels, existsSync(folder)]).toEqual([[], false]);
  });

  test('that nobody can read is none; what was put into its files reaches no terminal', async () => {
    for (const text of ['', '{', '{"v":2}', '[]']) {
      const folder = store({});
      writeFileSync(join(folder, 'state.json'), text);
      expect([text, (await list()).tunnels, existsSync(folder)]).toEqual([text, [], false]);
    }
    store({ status: 'refused', why: 'x\u001b]0;title\u0007' });
    const shown = await person.sally(['tunnel', 'list']);
    expect(shown.stdout + shown.stderr).not.toMatch(/[\u001b\u0007]/);
    expect((await person.sally(['tunnel', 'info'])).stdout).not.toMatch(/[\u001b\u0007]/);
  });
});

describe('sally logout', () => {
  const started = async () => {
    const child = spawn('/bin/sleep', ['60'], { stdio: 'ignore' });
    await once(child, 'spawn');
    return { child, identity: (await identityOf(child.pid ?? 0, 'linux')) as ProcessIdentity };
  };

  test('ends the tunnels of its profile at once, and the list says why they are gone', async () => {
    const [supervisor, other] = [await started(), await started()];
    const ssh = (await identityOf(pid(), 'linux')) ?? null;
    store({ supervisor: supervisor.identity, ssh });
    store({ id: '00000001', profile: 'work', supervisor: other.identity, ssh: other.identity });
    const ended = Promise.all([once(supervisor.child, 'exit'), once(process_, 'exit')]);
    const { code, stdout } = await person.sally(['logout']);
    expect([code, stdout]).toEqual([0, expect.stringContaining('Closed its tunnel.')]);
    await ended;
    expect(await list()).toEqual({
      tunnels: [
        expect.objectContaining({ id: '00000001', status: 'up' }),
        expect.objectContaining({
          ...{ id: '0badcafe', status: 'refused', pid: null, ssh_pid: null },
          why: 'you have logged out, run: sally login',
        }),
      ],
      stderr: '',
    });
    // Once is enough.
    expect((await person.sally(['logout', '--all'])).stdout).not.toContain('Closed');
    other.child.kill('SIGKILL');
  });

  test('of a machine leaves those of the person whose home it uses', async () => {
    const supervisor = await started();
    store({ supervisor: supervisor.identity, ssh: supervisor.identity });
    const machine = { apiToken: 'sally_pat_x' };
    const { code, stdout } = await person.sally(['logout'], { environment: { machine } });
    expect([code, stdout]).toEqual([0, expect.not.stringContaining('Closed')]);
    expect((await list()).tunnels).toMatchObject([{ id: '0badcafe', status: 'up' }]);
    supervisor.child.kill('SIGKILL');
  });

  test('leaves nothing of a tunnel that a command kept in a terminal', async () => {
    const { child, identity } = await started();
    const folder = store({ mode: 'foreground', supervisor: identity });
    const ended = once(child, 'exit');
    await person.sally(['logout']);
    await ended;
    expect([(await list()).tunnels, existsSync(folder)]).toEqual([[], false]);
  });
});

describe('a process', () => {
  test.each(['linux', 'darwin', 'freebsd'] as const)('is known by its start on %s', async (platform) => {
    const identity = await identityOf(pid(), platform);
    expect(identity).toEqual({ pid: pid(), started: expect.stringMatching(/./) });
    expect(await isRunning(identity ?? { pid: 1, started: '' }, platform)).toBe(true);
    expect(await signal({ pid: pid(), started: 'another' }, 'SIGKILL', platform)).toBe(false);
    expect(await signal(identity ?? { pid: 1, started: '' }, 'SIGTERM', platform)).toBe(true);
    await once(process_, 'exit');
    expect(await identityOf(pid(), platform)).toBeUndefined();
  });
});

test('the log of a tunnel is its owner’s, made printable, and never grows beyond twice its limit', () => {
  const path = join(person.home, 'log');
  const log = tunnelLog(path, () => new Date(0), 1_000);
  for (let at = 0; at < 200; at += 1) log.write(`line ${at} \u001b[2J`);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(path).size + statSync(`${path}.old`).size).toBeLessThanOrEqual(2_000);
  expect(readFileSync(path, 'utf8').split('\n').at(-2)).toBe('1970-01-01T00:00:00.000Z line 199 \\u{1b}[2J');
});
