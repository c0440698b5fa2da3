import { expect, test } from 'vitest';
import { type ProcessStat, parseStat } from '../../src/gateway/proc.ts';
import { processTree } from '../../src/gateway/process-tree.ts';

const at = (pid: number, parent: number, session: number): ProcessStat => ({
  pid,
  parent,
  session,
  name: 'x',
  state: 'S',
  startTime: String(pid * 10),
});
const monitor = at(100, 50, 100);
const pids = (found: readonly ProcessStat[]) => found.map(({ pid }) => pid);

test('a name with spaces and parentheses does not move the fields', () => {
  const numbers = Array.from({ length: 40 }, (_, index) => index + 100);
  expect(parseStat(`42 (a) b) S 7 8 9 ${numbers.join(' ')}\n`)).toEqual({
    pid: 42,
    name: 'a) b',
    state: 'S',
    parent: 7,
    session: 9,
    startTime: String(numbers[15]),
    threads: numbers[13],
  });
});

test.each(['', 'no parentheses', '42 (sshd', '42 (sshd) S 1'])('%j is no process', (text) => {
  expect(parseStat(text)).toBeUndefined();
});

test('children and their children belong to the tree, others do not', () => {
  const processes = [
    at(1, 0, 1),
    at(50, 1, 50),
    monitor,
    at(101, 100, 100),
    at(102, 101, 102),
    at(200, 50, 200),
  ];
  expect(pids(processTree(monitor, processes).descendants)).toEqual([101, 102]);
});

test('what lost its parent still belongs by a session that the tree leads', () => {
  const before = [monitor, at(101, 100, 100), at(102, 101, 102), at(103, 102, 102)];
  const { sessions } = processTree(monitor, before);
  const after = [at(1, 0, 1), at(103, 1, 102), at(104, 103, 102), at(300, 1, 300)];
  expect(pids(processTree(monitor, after, sessions).descendants)).toEqual([103, 104]);
});

test('the session of somebody else is never taken for the own one', () => {
  const member = { ...monitor, session: 50 };
  const processes = [at(50, 1, 50), member, at(101, 100, 50), at(60, 50, 50)];
  expect(pids(processTree(member, processes, processTree(member, processes).sessions).descendants)).toEqual([
    101,
  ]);
});

test('a monitor whose id is used again has no tree', () => {
  const processes = [{ ...monitor, startTime: '9' }, at(101, 100, 100)];
  expect(processTree(monitor, processes).descendants).toEqual([]);
});
