/** A full disk and a home that cannot be written, made with real mounts that nobody else sees; and what helps sally along. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { numbers } from '../../../src/cli/agent/messages.ts';
import { judgeOwnAgent, type OwnAgentFacts } from '../../../src/cli/doctor/own-agent.ts';
import { judgeStorage } from '../../../src/cli/doctor/storage.ts';
import { WireWriter } from '../../../src/ssh/wire.ts';
import { sallyEntry } from '../person.ts';
import { type Check, DoctorWorld, type Patient } from './doctor-world.ts';

let world: DoctorWorld;
let alice: Patient;
beforeAll(async () => {
  world = await DoctorWorld.open();
  alice = await world.somebody();
});
afterAll(() => world?.close());

const mayMount = spawnSync('unshare', ['-m', 'true']).status === 0;

/** Runs doctor where `mounts` has been done to the home folder first. */
function doctorBehind(mounts: string): { status: number | null; checks: Check[] } {
  const { home } = alice.person;
  const copy = join(dirname(home), 'copy');
  cpSync(home, copy, { recursive: true });
  const script = `set -e; home=$1 copy=$2; shift 2; ${mounts}; HOME=$home exec "$@"`;
  const doctor = [process.execPath, sallyEntry, 'doctor', '--offline', '--json'];
  const ended = spawnSync('unshare', ['-m', 'sh', '-c', script, 'sh', home, copy, ...doctor], {
    encoding: 'utf8',
  });
  rmSync(copy, { recursive: true });
  expect(ended.stderr).toBe('');
  return { status: ended.status, checks: JSON.parse(ended.stdout).checks };
}

describe.skipIf(!mayMount)('storage (needs to be allowed to mount)', () => {
  test('a full disk', () => {
    const { status, checks } = doctorBehind(
      'mount -t tmpfs -o size=1m,mode=755 none "$home"; cp -a "$copy/." "$home"; head -c 2000000 /dev/zero >"$home/big" 2>/dev/null || true',
    );
    expect(status).toBe(8);
    expect(checks.find(({ check }) => check === 'storage')).toMatchObject({
      outcome: 'problem',
      says: expect.stringContaining('is full: certificates cannot be renewed'),
      fix: expect.stringMatching(/^Make room: df -h /),
    });
  });

  test('a home that cannot be written', () => {
    const { status, checks } = doctorBehind('mount --bind "$home" "$home"; mount -o remount,ro,bind "$home"');
    expect(status).toBe(8);
    expect(checks.find(({ check }) => check === 'storage')).toMatchObject({
      outcome: 'problem',
      says: expect.stringContaining('on a file system that cannot be written now'),
    });
  });
});

test('a disk on which no more files fit', () => {
  const facts = { path: '/home/alice', refusal: null, freeBytes: 1e9, freeFiles: 3 };
  expect(judgeStorage(facts)).toMatchObject({ outcome: 'problem', says: expect.stringContaining('df -i') });
});

describe('what helps sally along', () => {
  const helper = async (environment: Record<string, unknown> = {}) => {
    const { checks } = await alice.doctor(['--offline'], { environment });
    return checks.find(({ check }) => check === 'helper');
  };

  test('a proxy of the environment that is none', async () => {
    const proxies = { all: 'gopher://secret:password@proxy' };
    const found = await helper({ proxies });
    expect(found).toMatchObject({
      outcome: 'problem',
      says: expect.stringContaining('all_proxy names no proxy'),
    });
    expect(JSON.stringify(found)).not.toContain('password');
  });

  test('an agent of ours that ssh asks and that is not there', async () => {
    const ofAgent = async () => {
      const { checks } = await alice.doctor(['--offline']);
      return checks.find(({ check }) => check === 'sally-agent');
    };
    expect(await ofAgent()).toMatchObject({ outcome: 'ok', says: 'not used, none is needed' });
    writeFileSync(alice.paths.agentConfig, '', { mode: 0o600 });
    expect(await ofAgent()).toMatchObject({
      outcome: 'warning',
      says: expect.stringContaining('ssh to our hosts asks sally agent, which does not answer'),
      fix: 'sally agent start --background; to do without it: sally agent install --remove',
    });
    rmSync(alice.paths.agentConfig);
  });

  test('an agent of another version is told of, and everything else is looked at all the same', async () => {
    const reply = new WireWriter().u8(numbers.extensionReply).string('status@sallyport').string('{"v":2}');
    const other = createServer((socket) => {
      socket.on('data', () => socket.write(new WireWriter().string(reply.bytes()).bytes()));
    });
    other.listen(join(alice.paths.folder, 'agent.sock'));
    await once(other, 'listening');
    const { checks } = await alice.doctor(['--offline']);
    other.close();
    expect(checks.find(({ check }) => check === 'sally-agent')).toMatchObject({
      ...{ outcome: 'unknown', says: expect.stringContaining('an agent of another version of sally') },
    });
  });

  test.each<[string, OwnAgentFacts, string | null]>([
    ['is asked by the shell', { state: 'running', isInConfig: false, shellAsks: 'it' }, null],
    ['is asked by ssh', { state: 'running', isInConfig: true, shellAsks: 'another' }, null],
    [
      'nobody asks',
      { state: 'running', isInConfig: false, shellAsks: 'another' },
      'eval "$(sally agent env)"',
    ],
    ['is locked', { state: 'locked', isInConfig: true, shellAsks: 'it' }, 'ssh-add -X'],
    ['has gone', { state: undefined, isInConfig: false, shellAsks: 'it' }, 'unset SSH_AUTH_SOCK'],
  ])('an agent of ours that %s', (_what, facts, fix) => {
    const found = judgeOwnAgent(facts);
    expect(found.outcome).toBe(fix === null ? 'ok' : 'warning');
    expect(found.fix).toEqual(fix === null ? null : expect.stringContaining(fix));
  });

  test('looking for newer versions, where it is on', async () => {
    const of = async (state: object, build: object | undefined) => {
      const text = JSON.stringify({ v: 1, on: true, url: null, asked_at: null, seen: null, ...state });
      writeFileSync(join(alice.paths.folder, 'update.json'), text, { mode: 0o600 });
      const { checks } = await alice.doctor(['--offline'], { environment: { version: '1.0.0', build } });
      return checks.find(({ check }) => check === 'updates');
    };
    const build = { releaseKeys: ['x'], packaging: 'npm', architecture: 'x64' };
    const seen = { number: 2, version: '1.1.0', digest: 'x', issued_at: 1 };
    expect(await of({ on: false }, undefined)).toMatchObject({ outcome: 'ok' });
    expect(await of({}, undefined)).toMatchObject({
      outcome: 'warning',
      fix: expect.stringContaining('off'),
    });
    expect(await of({ seen }, build)).toMatchObject({
      ...{ outcome: 'warning', says: 'Version 1.1.0 is there.' },
      fix: expect.stringContaining('npm install --global'),
    });
    expect(await of({ asked_at: 1 }, build)).toMatchObject({ fix: 'sally update-check now' });
    rmSync(join(alice.paths.folder, 'update.json'));
  });

  test('a timer of which a part is missing', async () => {
    const folder = join(alice.person.home, '.config', 'systemd', 'user');
    expect(await helper({ platform: 'linux' })).toMatchObject({ outcome: 'ok' });
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'sally.timer'), '');
    expect(await helper({ platform: 'linux' })).toMatchObject({
      outcome: 'warning',
      says: expect.stringContaining('sally.service is missing'),
      fix: 'sally timer install',
    });
  });
});
