import { expect, test } from 'vitest';
import type { SessionDocument } from '../../src/api/sessions.ts';
import type { SallyContext } from '../../src/cli/context.ts';
import { isLive } from '../../src/cli/print-sessions.ts';

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
