/** What is remembered of connections that have gone while something of theirs runs on. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import type { Connection } from '../../src/gateway/connection-file.ts';
import { Connections } from '../../src/gateway/connections.ts';
import { LeftBehind } from '../../src/gateway/left-behind.ts';
import { type ProcessId, readProcess, readProcesses } from '../../src/gateway/proc.ts';
import { livingLeaders } from '../../src/gateway/process-sessions.ts';
import { temporaryFolder } from '../interop/ssh-keygen.ts';
import { aConnection } from './a-connection.ts';
import { until } from './ssh-client.ts';

let children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children = [];
});

/** A process session in which something runs; its leader unless it is said to have gone. */
async function startSession(command = 'exec sleep 1000'): Promise<ProcessId> {
  const child = spawn('/bin/sh', ['-c', command], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
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

const membersOf = ({ pid }: ProcessId) => readProcesses().filter(({ session }) => session === pid);
const gone = (...leaders: ProcessId[]): Connection => ({ ...aConnection, leaders });

test('it is remembered for a minute', async () => {
  let now = 0;
  const left = new LeftBehind({ nowSeconds: () => now });
  const connection = gone(await startSession());
  left.note(connection);
  now = 60;
  expect(left.all()).toEqual([connection]);
  now = 60.1;
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

test('of several sessions those are forgotten in which nothing runs any more', async () => {
  const left = new LeftBehind();
  const [gonesoon, stays] = [await startSession(), await startSession()];
  left.note(gone(gonesoon, stays));
  await end(gonesoon);
  expect(left.all()).toMatchObject([{ leaders: [stays] }]);
});

test('a session is seen at every look, though nobody in it lives longer than a look or two', async () => {
  const leader = await startSession('hop() { sleep 0.02; hop & exit; }; hop');
  try {
    const looks = Array.from({ length: 50 }, () => livingLeaders([leader], readProcesses()).length);
    expect(looks).toEqual(Array(50).fill(1));
  } finally {
    process.kill(-leader.pid, 'SIGKILL');
  }
});

test('a process that has the id of a leader before it is a stranger', async () => {
  const leader = await startSession();
  const before = { ...leader, startTime: `${BigInt(leader.startTime) - 1n}` };
  expect(livingLeaders([leader], readProcesses())).toEqual([leader]);
  expect(livingLeaders([before], readProcesses())).toEqual([]);
});

test('a session whose leader has gone is known by who is left in it', () => {
  const leader = { pid: 4, startTime: '1' };
  const inIt = { pid: 5, startTime: '2', name: 'sleep', state: 'S', parent: 1, session: 4 };
  const member = { pid: 5, startTime: '2' };
  expect(livingLeaders([leader], [inIt])).toEqual([{ ...leader, member }]);
  expect(livingLeaders([{ ...leader, member: { pid: 6, startTime: '2' } }], [inIt])).toEqual([
    { ...leader, member },
  ]);
  expect(livingLeaders([leader], [{ ...inIt, session: 6 }])).toEqual([]);
});

describe('a companion that is started again', () => {
  const folder = temporaryFolder();

  /** A connection on which one session has begun, and that is gone. */
  async function leave(leader: ProcessId): Promise<Connections> {
    const connections = new Connections(folder.path(''));
    const monitor = await startSession();
    const { offer, user, permitted, offeredAtSeconds } = aConnection;
    const key = connections.register(monitor, { offer, user, permitted, offeredAtSeconds });
    connections.markUsed(key, { way: 'host', leaders: [leader] }, 7);
    await end(monitor);
    connections.forgetGone();
    return connections;
  }

  test('knows what was left, until nothing of it runs any more', async () => {
    const leader = await startSession();
    await leave(leader);
    const next = new Connections(folder.path(''));
    expect(next.left()).toMatchObject([{ leaders: [leader] }]);
    await end(leader);
    expect(next.left()).toEqual([]);
    expect(readdirSync(folder.path(''))).toEqual([]);
  });

  test('knows a session without its leader by who was seen in it, and no other: it may be a stranger’s by now', async () => {
    for (const hasLooked of [true, false]) {
      const leader = await startSession('sleep 1000 & read -r _');
      await until(() => membersOf(leader).length === 2, 'a member');
      const connections = await leave(leader);
      await end(leader);
      if (hasLooked) expect(connections.left()).toHaveLength(1);
      const next = new Connections(folder.path(''));
      expect(next.left()).toHaveLength(hasLooked ? 1 : 0);
      for (const { pid } of membersOf(leader)) process.kill(pid, 'SIGKILL');
    }
  });
});
