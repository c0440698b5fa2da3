/** A full disk and a home that cannot be written, made with real mounts that nobody else sees; and what helps sally along. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { judgeStorage } from '../../../src/cli/doctor/storage.ts';
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
