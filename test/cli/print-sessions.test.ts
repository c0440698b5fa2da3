import { expect, test } from 'vitest';
import type { SessionDocument } from '../../src/api/sessions.ts';
import type { SallyContext } from '../../src/cli/context.ts';
import { isLive, printSessions } from '../../src/cli/print-sessions.ts';

const context = { now: () => new Date(1_000_000) } as SallyContext;
const session = { ended_at: null, expires_at: 2_000, idle_ends_at: null } as SessionDocument;

test.each<[string, Partial<SessionDocument>, boolean]>([
  ['it lasts', {}, true],
  ['it is used often enough', { idle_ends_at: 1_001 }, true],
  ['it was idle for too long', { idle_ends_at: 1_000 }, false],
  ['it is past its end', { expires_at: 1_000 }, false],
  ['somebody ended it', { ended_at: 900 }, false],
])('whether a session is shown as live: %s', (_why, change, live) => {
  expect(isLive({ ...session, ...change }, context)).toBe(live);
});

test('a browser is named as people name it, and whatever else a client calls itself in at most 60 characters', () => {
  const lines: string[] = [];
  const terminal = { print: (line: string) => lines.push(line), bold: (line: string) => line };
  const shown = { ...context, terminal, environment: {} } as unknown as SallyContext;
  const names = [
    'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0',
    'x'.repeat(61),
    'vm',
  ];
  const facts = { id: 'one', account: 'a@b', kind: 'helper', connections: 0, auth_time: 1_000 };
  const sessions = names.map((client_name) => ({ ...session, ...facts, client_name }));
  printSessions(shown, sessions as SessionDocument[]);
  const machines = lines.slice(1).map((line) => line.split(/ {2,}/).at(-1));
  expect(machines).toEqual(['Firefox on Linux', `${'x'.repeat(60)}...`, 'vm']);
});
