/** What is remembered of connections that have gone while something of theirs runs on. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import type { Connection } from '../../src/gateway/connection-file.ts';
import { LeftBehind } from '../../src/gateway/left-behind.ts';
import { type ProcessId, readProcess, readProcesses } from '../../src/gateway/proc.ts';
import { sessionsOf } from '../../src/gateway/process-sessions.ts';
import { aConnection } from './a-connection.ts';

let children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children = [];
});

/** A process session in which something runs; its leader unless it is said to have gone. */
async function startSession(): Promise<ProcessId> {
  const child = spawn('/bin/sleep', ['1000'], { stdio: 'ignore', detached: true });
  children.push(child);
  await once(child, 'spawn');
  const { pid, startTime } = readProcess(child.pid ?? 0) ?? { pid: 0, startTime: '' };
  return { pid, startTime };
}

async function end(leader: ProcessId): Promise<void> {
  const child = children.find(({ pid }) => pid === leader.pid);
  const gone = child && once(child, 'exit');
  child?.kill('SIGKILL');
  await gone;
}

const gone = (...leaders: ProcessId[]): Connection => ({ ...aConnection, leaders });

test('it is remembered for a minute', async () => {
  let now = 0;
  const left = new LeftBehind(() => now);
  const connection = gone(await startSession());
  left.note(connection);
  now = 60_000;
  expect(left.all()).toEqual([connection]);
  now = 60_001;
  expect(left.all()).toEqual([]);
  now = 0;
  expect(left.all()).toEqual([]);
});

test('it is forgotten when nothing of it runs any more', async () => {
  const left = new LeftBehind();
  const leader = await startSession();
  left.note(gone(leader));
  await end(leader);
  expect(left.all()).toEqual([]);
});

test('a connection on which no session began is not remembered', () => {
  const left = new LeftBehind();
  left.note(gone());
  expect(left.all()).toEqual([]);
});

test('a process that has the id of a leader before it is a stranger', async () => {
  const leader = await startSession();
  const before = { ...leader, startTime: `${BigInt(leader.startTime) - 1n}` };
  expect(sessionsOf([leader], readProcesses())).toEqual(new Set([leader.pid]));
  expect(sessionsOf([before], readProcesses())).toEqual(new Set());
});

test('a session whose leader has gone is known by who is left in it', () => {
  const leader = { pid: 4, startTime: '1' };
  const inIt = { pid: 5, startTime: '2', name: 'sleep', state: 'S', parent: 1, session: 4 };
  expect(sessionsOf([leader], [inIt])).toEqual(new Set([4]));
  expect(sessionsOf([leader], [{ ...inIt, session: 6 }])).toEqual(new Set());
});
