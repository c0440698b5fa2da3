import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { writeFileAtomically } from '../../src/files/write-file.ts';
import { encodeKrl } from '../../src/ssh/encode-krl.ts';
import { askSshKeygen } from '../interop/query-krl.ts';
import { temporaryFolder } from '../interop/ssh-keygen.ts';
import { ca } from '../ssh/sample-certificate.ts';

const child = fileURLToPath(new URL('./write-while-traced.ts', import.meta.url));
const canTrace = spawnSync('strace', ['-f', '-o', '/dev/null', 'true']).status === 0;
const calls = ['openat', 'write', 'fchmod', 'fsync', 'close', 'rename', 'renameat', 'renameat2', 'unlink'];

const work = temporaryFolder();
const state = temporaryFolder();
const target = state.path('revoked_keys');
const canary = { serial: 1n };
const added = { serial: 7_000_000n };

function krl(...serials: bigint[]): Buffer {
  const scattered = Array.from({ length: 8_000 }, (_, index) => BigInt(index + 1) * 1_000_003n);
  const section = {
    kind: 'certificates' as const,
    caPublicKey: ca.blob,
    serials: [...serials, ...scattered],
  };
  return encodeKrl({ version: 1n, generatedAt: 1n, comment: '', sections: [section] });
}

const before = krl(canary.serial);
const after = krl(canary.serial, added.serial);
const contentsFile = work.write('after', after);

interface Run {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly steps: readonly Step[];
}

/** A call that has to do with the folder. */
interface Step {
  readonly call: string;
  /** How often its thread made such a call before, and this time. */
  readonly ordinal: number;
  readonly line: string;
}

function write(...inject: string[]): Run {
  const log = work.path('strace.log');
  rmSync(log, { force: true });
  const { status, signal } = spawnSync(
    'strace',
    [
      ...['-f', '-y', '-o', log, '-e', `trace=${calls.join(',')}`],
      ...inject.flatMap((expression) => ['-e', `inject=${expression}`]),
      ...[process.execPath, '--disable-warning=ExperimentalWarning', child, target, contentsFile],
    ],
    { env: { ...process.env, UV_THREADPOOL_SIZE: '1' }, encoding: 'utf8' },
  );
  return { status, signal, steps: stepsOf(readFileSync(log, 'utf8')) };
}

function stepsOf(log: string): Step[] {
  const counts = new Map<string, number>();
  const steps: Step[] = [];
  for (const line of log.split('\n')) {
    const [, thread, call] = /^(\d+) +([a-z0-9]+)\(/.exec(line) ?? [];
    if (thread === undefined || call === undefined) continue;
    const ordinal = (counts.get(`${thread} ${call}`) ?? 0) + 1;
    counts.set(`${thread} ${call}`, ordinal);
    if (line.includes(state.path(''))) steps.push({ call, ordinal, line });
  }
  return steps.filter(({ line }) => !line.includes(child));
}

const namesOf = (steps: readonly Step[]) => steps.map(({ call }) => call.replace(/^rename.*/, 'rename'));

describe.skipIf(!canTrace)('the machine stops while a KRL is written (needs strace)', () => {
  let whole: Run;
  beforeAll(() => {
    writeFileSync(target, before);
    whole = write();
  });
  beforeEach(() => {
    for (const name of readdirSync(state.path(''))) rmSync(state.path(name));
    writeFileSync(target, before, { mode: 0o644 });
  });

  test('[abuse 106] the bytes are on the disk before the name is theirs, and the name before it counts as written', () => {
    expect(namesOf(whole.steps)).toEqual([
      'openat',
      'write',
      'fchmod',
      'fsync',
      'close',
      'rename',
      'openat',
      'fsync',
      'close',
    ]);
  });

  test('[abuse 106] killed at any of its calls it leaves the old file or the new one, whole', async () => {
    for (const [index, { call, ordinal }] of whole.steps.entries()) {
      const where = `${call}, call ${index + 1}`;
      writeFileSync(target, before, { mode: 0o644 });
      const run = write(`${call}:signal=KILL:when=${ordinal}`);
      expect(namesOf(run.steps), where).toEqual(namesOf(whole.steps.slice(0, index + 1)));
      expect(run.signal ?? run.status, where).toBe('SIGKILL');

      const hasNewName = whole.steps.slice(0, index).some((step) => step.call.startsWith('rename'));
      expect(readFileSync(target).equals(hasNewName ? after : before), where).toBe(true);
      expect(askSshKeygen(work, target, [canary, added]), where).toEqual([true, hasNewName]);
      // What lies beside holds up nobody.
      await writeFileAtomically(target, after, { mode: 0o644 });
      expect(readFileSync(target).equals(after), where).toBe(true);
    }
  });

  test('[abuse 106] a disk that is full, or fails, at any of its calls leaves the old file or the new one, and nothing beside', () => {
    for (const [index, { call, ordinal }] of whole.steps.entries()) {
      for (const error of ['ENOSPC', 'EIO']) {
        const where = `${call}, call ${index + 1}, ${error}`;
        writeFileSync(target, before, { mode: 0o644 });
        const run = write(`${call}:error=${error}:when=${ordinal}`);
        const hasNewName = whole.steps.slice(0, index).some((step) => step.call.startsWith('rename'));
        expect(run.status, where).toBe(1);
        expect(readFileSync(target).equals(hasNewName ? after : before), where).toBe(true);
        expect(readdirSync(state.path('')), where).toEqual(['revoked_keys']);
      }
    }
  });

  test('[abuse 106] a limit in the middle of the bytes leaves the old file', () => {
    const { status, signal } = spawnSync('prlimit', [
      '--fsize=10000',
      process.execPath,
      child,
      target,
      contentsFile,
    ]);
    expect([status, signal]).not.toEqual([0, null]);
    expect(readFileSync(target).equals(before)).toBe(true);
    expect(statSync(target).mode & 0o777).toBe(0o644);
  });
});
