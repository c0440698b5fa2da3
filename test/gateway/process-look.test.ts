import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { listeningPorts } from '../../src/gateway/listening-ports.ts';
import { type ProcessId, readProcess } from '../../src/gateway/proc.ts';
import { ProcessLook } from '../../src/gateway/process-look.ts';
import { sessionUser } from '../../src/gateway/session-user.ts';

async function pidsBelow(monitor: ProcessId, childLists?: boolean): Promise<number[]> {
  return (await new ProcessLook(childLists).descendantsOf(monitor)).map(({ pid }) => pid);
}

test('the processes below one are found with theirs, whose user they are, and where they listen', async () => {
  const listen = `require('node:net').createServer().listen(0, '127.0.0.1', function () { console.log(this.address().port) })`;
  const child = spawn('/bin/sh', ['-c', '"$0" -e "$1" & wait', process.execPath, listen]);
  try {
    const [port] = await once(child.stdout, 'data');
    const monitor = readProcess(child.pid ?? 0);
    if (monitor === undefined) throw new Error('gone');
    const below = await pidsBelow(monitor);
    expect(below).toHaveLength(1);
    // As on a kernel that lists no children.
    expect(await pidsBelow(monitor, false)).toEqual(below);
    expect(await listeningPorts(monitor)).toEqual([Number(port)]);
    const mine = { uid: process.getuid?.(), gid: process.getgid?.() };
    // Root's own sessions have no other user.
    expect(await sessionUser(monitor)).toEqual(mine.uid === 0 ? undefined : mine);
    for (const pid of below) process.kill(pid, 'SIGKILL');
    await once(child, 'exit');
    expect([await pidsBelow(monitor), await listeningPorts(monitor)]).toEqual([[], []]);
  } finally {
    child.kill('SIGKILL');
  }
});
