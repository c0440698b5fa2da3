import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ConnectionEndings } from '../../src/gateway/connection-endings.ts';
import { type EndedConnection, patienceMilliseconds } from '../../src/gateway/end-connection.ts';
import { Problems } from '../../src/gateway/problems.ts';
import { type ProcessId, readProcess } from '../../src/gateway/proc.ts';

const monitors: readonly ProcessId[] = [
  { pid: 11, startTime: '1' },
  { pid: 12, startTime: '2' },
];
let problems: Problems;
let children: ChildProcess[];

beforeEach(() => {
  problems = new Problems();
  children = [];
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
});

function endingsBy(
  end: (chosen: readonly ProcessId[], waitedMilliseconds: number) => Promise<readonly EndedConnection[]>,
) {
  return new ConnectionEndings({ problems, log: () => {}, onEnded: () => {}, end });
}

async function startProcess(): Promise<ProcessId> {
  const child = spawn('/bin/sleep', ['1000'], { stdio: 'ignore' });
  children.push(child);
  await once(child, 'spawn');
  const found = readProcess(child.pid ?? 0);
  if (found === undefined) throw new Error('the process did not start');
  return found;
}

async function kill(pid: number): Promise<void> {
  const child = children.find((one) => one.pid === pid);
  const gone = child && once(child, 'exit');
  child?.kill('SIGKILL');
  await gone;
}

const goneAtOnce = (chosen: readonly ProcessId[]) => chosen.map((monitor) => ({ monitor, left: [] }));

test('a connection that two choose at once is ended once and counted once, and both wait for it', async () => {
  const asked: (readonly ProcessId[])[] = [];
  const goOn = Promise.withResolvers<void>();
  const endings = endingsBy(async (chosen) => {
    asked.push(chosen);
    await goOn.promise;
    return goneAtOnce(chosen);
  });
  const order: string[] = [];
  const first = endings.end(monitors).finally(() => order.push('first'));
  const second = endings.end(monitors).finally(() => order.push('second'));
  const nothing = endings.end([]).finally(() => order.push('nothing'));
  await nothing;
  expect(order).toEqual(['nothing']);
  goOn.resolve();
  expect(await first).toEqual(monitors);
  expect(await second).toEqual([]);
  expect(asked).toEqual([monitors]);
});

test('a connection that refuses to go holds up no other', async () => {
  const [stubborn, willing] = monitors as [ProcessId, ProcessId];
  const goOn = Promise.withResolvers<void>();
  const endings = endingsBy(async (chosen) => {
    if (chosen.includes(stubborn)) await goOn.promise;
    return goneAtOnce(chosen);
  });
  const waiting = endings.end([stubborn]);
  expect(await endings.end([willing])).toEqual([willing]);
  goOn.resolve();
  expect(await waiting).toEqual([stubborn]);
});

test('a connection whose ending failed can be ended again', async () => {
  let calls = 0;
  const endings = endingsBy(async (chosen) => {
    calls++;
    if (calls === 1) throw new Error('no /proc');
    return goneAtOnce(chosen);
  });
  await expect(endings.end(monitors)).rejects.toThrow('no /proc');
  expect(await endings.end(monitors)).toEqual(monitors);
});

test('what has refused to go is tried again and not waited for again, whatever else is to end', async () => {
  const [stubborn, willing] = monitors as [ProcessId, ProcessId];
  const waits: (readonly [ProcessId[], number])[] = [];
  const endings = endingsBy(async (chosen, waited) => {
    waits.push([[...chosen], waited]);
    return chosen.map((monitor) => ({ monitor, left: monitor === stubborn ? [monitor] : [] }));
  });
  expect(await endings.end([stubborn])).toEqual([]);
  expect(await endings.end(monitors)).toEqual([willing]);
  expect(waits).toEqual([
    [[stubborn], 0],
    [[willing], 0],
    [[stubborn], patienceMilliseconds],
  ]);
});

test('what refuses to go does not count as ended, and is a problem exactly until it has gone', async () => {
  const stubborn = await startProcess();
  const other = await startProcess();
  const leaving = [[stubborn], [other], []];
  const endings = endingsBy(async ([monitor]) => (monitor ? [{ monitor, left: leaving.shift() ?? [] }] : []));
  const one = monitors.slice(0, 1);
  expect([await endings.end(one), await endings.end(one)]).toEqual([[], []]);
  expect(problems.text()).toMatch(/could not be ended/);

  // That another one goes says nothing of those before it.
  expect(await endings.end(one)).toEqual(one);
  await kill(stubborn.pid);
  expect(problems.forgetGone()).toBe(false);
  expect(problems.has('left')).toBe(true);

  await kill(other.pid);
  expect(problems.forgetGone()).toBe(true);
  expect(problems.text()).toBeNull();
  expect(problems.forgetGone()).toBe(false);
});
