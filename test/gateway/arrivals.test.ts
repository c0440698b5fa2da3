/** Who is found to be logged in, where a look takes its time and something happens meanwhile. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { answerRoute } from '../../src/gateway/answer-route.ts';
import type { Answering } from '../../src/gateway/answering.ts';
import { Connections, type Registration } from '../../src/gateway/connections.ts';
import { type ProcessStat, readChildren, readProcess, readTitle } from '../../src/gateway/proc.ts';
import { newTicket } from '../../src/gateway/tickets.ts';
import { temporaryFolder } from '../interop/ssh-keygen.ts';
import { aConnection } from './a-connection.ts';
import { type HeldLooks, holdLooks } from './held-looks.ts';
import { until } from './ssh-client.ts';

const folder = temporaryFolder();
/** Stands for sshd's monitor; below it runs what sshd starts for somebody who is logged in. */
let child: ChildProcess;
let monitor: ProcessStat;
let connections: Connections;
let held: HeldLooks;
let onFound: ReturnType<typeof vi.fn<() => void>>;

let number = 0;
beforeEach(async () => {
  number += 1;
  const place = folder.path(`${number}`);
  mkdirSync(join(place, 'connections'), { recursive: true });
  copyFileSync('/bin/cat', join(place, 'sshd'));
  const serving = 'exec 3<&0; (exec -a "sshd: alice" "$0" <&3) & wait';
  child = spawn('/bin/bash', ['-c', serving, join(place, 'sshd')], { stdio: ['pipe', 'ignore', 'ignore'] });
  const pid = child.pid ?? 0;
  await until(() => readChildren(pid).some((one) => readTitle(one) === 'sshd: alice'), 'somebody is served');
  const found = readProcess(pid);
  if (found === undefined) throw new Error('It is not in /proc.');
  monitor = found;
  connections = new Connections(join(place, 'connections'));
  onFound = vi.fn<() => void>();
  held = holdLooks();
});
afterEach(async () => {
  await held.release();
  child.stdin?.end();
  child.kill('SIGKILL');
});

const { offer, user, permitted, offeredAtSeconds } = aConnection;
const registration: Registration = { offer, user, permitted, offeredAtSeconds, way: 'refusal' };
const find = () => connections.findArrived(() => 7, onFound);
const started = () => connections.all().map(({ way, startedAtSeconds }) => ({ way, startedAtSeconds }));

async function endMonitor(): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

test('somebody is found, and told of, once', async () => {
  connections.register(monitor, registration);
  const finding = [find(), find()];
  await held.release();
  await Promise.all(finding);
  await find();
  expect(onFound).toHaveBeenCalledOnce();
  expect(started()).toEqual([{ way: 'refusal', startedAtSeconds: 7 }]);
});

test('of a connection that came with another key meanwhile the next look tells', async () => {
  connections.register(monitor, registration);
  const finding = find();
  connections.register(monitor, { ...registration, way: 'host' });
  await held.release();
  await finding;
  expect(onFound).not.toHaveBeenCalled();
  await find();
  expect(started()).toEqual([{ way: 'host', startedAtSeconds: 7 }]);
});

test('one that has gone meanwhile is nobody', async () => {
  connections.register(monitor, registration);
  const finding = find();
  await endMonitor();
  await held.release();
  await finding;
  expect(onFound).not.toHaveBeenCalled();
  expect(connections.report().connections).toEqual([]);
});

test('where another companion goes on meanwhile nothing is written', async () => {
  connections.register(monitor, registration);
  const finding = find();
  connections.close();
  await held.release();
  await finding;
  expect(started()).toEqual([{ way: 'refusal', startedAtSeconds: null }]);
});

test('who asks for no session is on the way through, but not before half a second has passed', async () => {
  await held.release();
  const clock = vi.spyOn(performance, 'now').mockReturnValue(1_000);
  connections.register(monitor, { ...registration, way: null });
  await find();
  clock.mockReturnValue(1_499);
  await find();
  expect(onFound).not.toHaveBeenCalled();
  clock.mockReturnValue(1_500);
  await find();
  expect(started()).toEqual([{ way: 'jump', startedAtSeconds: 7 }]);
  clock.mockRestore();
});

test('a session of a client that has gone before it begins does not begin', async () => {
  const { ticket, digest } = newTicket();
  connections.register(monitor, { ...registration, ticketDigest: digest });
  const current = vi.fn(() => ({ facts: { state: { companion: { kind: 'host' } } } }));
  const answering = { connections, current, log: () => {} } as unknown as Answering;
  const reply = answerRoute(answering, new URLSearchParams({ ticket }), new AbortController().signal);
  await endMonitor();
  await held.release();
  expect(await reply).toBeUndefined();
});
