/** Where nothing can be written any more, connections are still known, judged and ended. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  connectionKey,
  readConnectionFiles,
  writeConnectionFile,
} from '../../src/gateway/connection-file.ts';
import { Connections } from '../../src/gateway/connections.ts';
import type { Offer } from '../../src/gateway/offered-certificate.ts';
import { readProcess } from '../../src/gateway/proc.ts';
import { aConnection } from './a-connection.ts';
import { alice } from './test-world.ts';

let folder: string;
let session: ChildProcess;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-'));
  await mkdir(join(folder, 'connections'));
  // What sshd's process for somebody who is logged in is called.
  await copyFile('/bin/cat', join(folder, 'sshd'));
  session = spawn(join(folder, 'sshd'), [], { argv0: 'sshd: alice', stdio: ['pipe', 'ignore', 'ignore'] });
  await once(session, 'spawn');
});
afterEach(async () => {
  session.kill('SIGKILL');
  await rm(folder, { recursive: true });
});

test('a connection that starts is reported, and its time runs, though its file can’t be written', async () => {
  const connections = new Connections(join(folder, 'connections'));
  const monitor = readProcess(process.pid);
  if (monitor === undefined) throw new Error('This process is not in /proc.');
  const offer = { account: alice, sessionId: crypto.randomUUID(), serial: '1' } as Offer;
  connections.register(monitor, { offer, user: 'ssh', permitted: [], offeredAtSeconds: 1, way: 'refusal' });
  await rm(join(folder, 'connections'), { recursive: true });
  const onFound = vi.fn();
  await connections.findArrived(() => 7, onFound);
  expect(connections.report().connections).toMatchObject([{ account: alice, started_at: 7 }]);
  await connections.findArrived(() => 8, onFound);
  expect(onFound).toHaveBeenCalledOnce();
  // One more session of it.
  const [connection] = connections.all();
  const leaders = [{ pid: session.pid ?? 0, startTime: '1' }];
  expect(connection && connections.markUsed(connectionKey(connection), { way: 'refusal', leaders }, 9)).toBe(
    false,
  );
  expect(connections.all()).toMatchObject([{ leaders }]);
});

test('what was not written to its end is removed by the companion that starts, and not by whoever reads', async () => {
  const unfinished = join(folder, 'connections', '.0a');
  await writeFile(unfinished, '{');
  expect(readConnectionFiles(join(folder, 'connections'))).toEqual({ connections: [], damaged: [] });
  expect(existsSync(unfinished)).toBe(true);
  expect(new Connections(join(folder, 'connections')).damaged).toEqual([]);
  expect(existsSync(unfinished)).toBe(false);
});

test('what does not fit leaves what was there, whole, and nothing else (needs to mount)', async (context) => {
  const small = join(folder, 'connections');
  if (spawnSync('/usr/bin/mount', ['-t', 'tmpfs', '-o', 'size=12k', 'tmpfs', small]).status !== 0)
    context.skip();
  try {
    writeConnectionFile(small, aConnection);
    // More than one page: a part of it would be taken without a word.
    const leaders = Array.from({ length: 400 }, (_, index) => ({ pid: index + 1, startTime: '1' }));
    expect(() => writeConnectionFile(small, { ...aConnection, leaders })).toThrow('ENOSPC');
    expect(readConnectionFiles(small)).toEqual({ connections: [aConnection], damaged: [] });
    expect(await readdir(small)).toHaveLength(1);
  } finally {
    spawnSync('/usr/bin/umount', [small]);
  }
});
