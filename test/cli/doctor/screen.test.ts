/** What doctor looks like: in a real terminal of 80 columns and 24 rows, in a narrow one, and without colors. */
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Finding } from '../../../src/cli/doctor/finding.ts';
import { reportLines } from '../../../src/cli/doctor/report.ts';
import { createTerminal } from '../../../src/cli/terminal.ts';
import { hasTmux, Tmux } from '../../gateway/tmux.ts';
import { sallyEntry } from '../person.ts';
import { DoctorWorld, type Patient } from './doctor-world.ts';

let world: DoctorWorld;
let alice: Patient;
beforeAll(async () => {
  world = await DoctorWorld.open();
});
afterAll(() => world?.close());
beforeEach(async () => {
  world.reset();
  alice = await world.somebody();
});

async function screenOf(args: readonly string[], end: RegExp): Promise<string> {
  const socket = join(alice.person.home, '..', 'tmux');
  const { home } = alice.person;
  const tmux = await Tmux.run(socket, [process.execPath, sallyEntry, 'doctor', ...args], {
    HOME: home,
    PATH: process.env['PATH'] ?? '',
  });
  try {
    return await tmux.waitFor(end);
  } finally {
    tmux.close();
  }
}

describe.skipIf(!hasTmux)('in a terminal of 80 columns and 24 rows (needs tmux)', () => {
  test('everything fits where all is well but for HOME, which this test has changed', async () => {
    const screen = await screenOf(['--offline'], /ended with 0/);
    const lines = screen.split('\n');
    expect(lines.length).toBeLessThanOrEqual(24);
    expect(lines[0]).toMatch(/^WARNING {2}config {7}HOME is another folder than passwd's: plain ssh reads/);
    expect(screen).toMatch(/^ok {7}ssh, permissions, storage, files, certificate, agent, sally-agent,$/m);
    expect(screen).toMatch(/^unknown {2}key, server, clock, session, gateways$/m);
    expect(screen).toContain('\n1 warning.\n');
  });

  test('with several troubles the worst is first, each with its fix, and the last line says how many', async () => {
    chmodSync(alice.paths.sshFolder, 0o777);
    chmodSync(alice.paths.knownHosts, 0o666);
    const screen = await screenOf(['--offline'], /ended with 8/);
    expect(screen.split('\n').length).toBeLessThanOrEqual(24);
    for (const [at, line] of screen.split('\n').entries())
      expect([at, line.length <= 80]).toEqual([at, true]);
    expect(screen).toMatch(/^PROBLEM {2}permissions {2}\S+\/\.ssh has mode\n? *777/m);
    expect(screen).toContain('Fix: chmod 700 ');
    expect(screen).toContain('2 problems, 1 warning. What is safe to mend: sally doctor --fix');
  });
});

describe('on paper', () => {
  const findings: Finding[] = [
    { check: 'ssh', outcome: 'ok', says: 'OpenSSH_9.2p1', fix: null },
    {
      check: 'config',
      outcome: 'problem',
      says: 'word '.repeat(30).trim(),
      fix: `chmod 600 /${'x'.repeat(90)}`,
    },
    { check: 'clock', outcome: 'unknown', says: 'not asked', fix: null },
  ];
  const paint = (colors: boolean) => {
    const sink = { write: () => {} };
    return createTerminal({ stdout: sink, stderr: sink, colors });
  };

  test.each([20, 40, 59, 60, 80, 200])('nothing is wider than %i columns', (columns) => {
    const lines = reportLines(findings, paint(false), columns);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(Math.max(columns, 31));
    expect(lines.join(' ')).not.toContain('\u001b');
    expect(lines.join('').replaceAll(' ', '')).toContain('x'.repeat(20));
  });

  test('that nothing is wrong is said only where everything was looked at', () => {
    const last = (...some: Finding[]) => reportLines(some, paint(false), 80).at(-1);
    const [fine, , unknown] = findings as [Finding, Finding, Finding];
    expect(last(fine)).toBe('Nothing is wrong.');
    expect(last(fine, unknown)).toBe('Nothing wrong was found; not looked at: 1.');
  });

  test('colors only add to the words', () => {
    const plain = reportLines(findings, paint(false), 80);
    const painted = reportLines(findings, paint(true), 80);
    expect(painted.join('\n')).toContain('\u001b[31mPROBLEM\u001b[39m');
    expect(painted.map((line) => line.replaceAll(/\u001b\[[0-9]+m/g, ''))).toEqual(plain);
  });
});
