import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Companion, createCompanion } from '../../src/gateway/companion.ts';
import type { CompanionOptions } from '../../src/gateway/companion-options.ts';
import { type ProcessId, readProcesses, readSameProcess } from '../../src/gateway/proc.ts';
import { processTree } from '../../src/gateway/process-tree.ts';
import type { LocalMachine } from './local-machine.ts';
import { createPerson, type Person, type RunningSsh, runSsh, startSsh, until } from './ssh-client.ts';
import { alice, appLogin, bob, hasNames, TestWorld, web } from './test-world.ts';

const world = new TestWorld();
const { authority } = world;
let host: { machine: LocalMachine; port: number };
let companion: Companion;
let clients: RunningSsh[] = [];

beforeAll(async () => {
  if (!hasNames) return;
  await world.open();
  host = await world.startMachine('host');
  companion = host.machine.companion;
  authority.targets = [{ ...web, port: host.port }];
  authority.push();
});
afterEach(() => {
  for (const { child } of clients) child.kill('SIGKILL');
  clients = [];
});
afterAll(async () => {
  await companion?.stop();
  await world.close();
});

async function openLoop(
  account: string,
): Promise<{ person: Person; running: RunningSsh; tree: ProcessId[] }> {
  const person = await createPerson(authority, world.folder, account);
  const running = startSsh(person, [
    '-p',
    String(host.port),
    `${appLogin}@127.0.0.1`,
    'while date; do sleep 0.2; done',
  ]);
  clients.push(running);
  await running.waitForOutput(/\d/);
  const report = await authority.waitForReport(({ connections }) =>
    connections.some(({ session_id }) => session_id === person.sessionId),
  );
  const { key = '' } = report.connections.find(({ session_id }) => session_id === person.sessionId) ?? {};
  const [, pid, startTime = ''] = key.split(':');
  const monitor = { pid: Number(pid), startTime };
  return { person, running, tree: [monitor, ...processTree(monitor, readProcesses()).descendants] };
}

const alive = (tree: readonly ProcessId[]) => tree.filter((one) => readSameProcess(one) !== undefined);

async function takeOver(changes: Partial<CompanionOptions> = {}): Promise<void> {
  companion = createCompanion({ ...host.machine.companionOptions, ...changes });
  authority.acknowledgements.length = 0;
  await companion.start();
}

describe.skipIf(!hasNames)('a companion that is stopped (needs root, sshd, curl, libnss-extrausers)', () => {
  test('lets nobody in while it is away, and leaves connections alone', async () => {
    const { tree, running } = await openLoop(alice);
    await companion.stop();
    const person = await createPerson(authority, world.folder, bob);
    expect(await runSsh(person, ['-p', String(host.port), `${appLogin}@127.0.0.1`])).toMatchObject({
      status: 255,
    });
    running.stdout = '';
    await running.waitForOutput(/\d/);
    expect(alive(tree).length).toBeGreaterThanOrEqual(2);
    await takeOver();
  });

  test('hears of what was revoked meanwhile when it comes back, and ends it', async () => {
    const { person, tree } = await openLoop(alice);
    const other = await openLoop(bob);
    await companion.stop();
    const before = { version: `${authority.version}`, krl_version: `${authority.krlVersion}` };
    authority.revoked.push(person.serial);
    const version = authority.push({ krl: true });
    await takeOver();
    await authority.waitForAcknowledgement(
      (found) => found.version === version && found.connections_ended === 1,
    );
    // What it has, so that a database that has forgotten it sends nothing.
    expect(authority.installed.at(-1)).toEqual(before);
    expect(alive(tree)).toEqual([]);
    expect(alive(other.tree).length).toBeGreaterThanOrEqual(2);
  });

  test('reports what it knows again, and forgets what ended meanwhile', async () => {
    const kept = await openLoop(alice);
    const gone = await openLoop(bob);
    await companion.stop();
    gone.running.child.kill('SIGKILL');
    await until(() => alive(gone.tree.slice(0, 1)).length === 0, 'the monitor is gone');
    authority.reports.length = 0;
    await takeOver();
    const report = await authority.waitForReport(() => true);
    const sessions = report.connections.map(({ session_id }) => session_id);
    expect(sessions).toContain(kept.person.sessionId);
    expect(sessions).not.toContain(gone.person.sessionId);
  });

  test('keeps its knowledge in private files', async () => {
    await openLoop(alice);
    const { connections } = host.machine.paths;
    const [name = ''] = await readdir(connections);
    expect((await stat(connections)).mode & 0o777).toBe(0o700);
    expect((await stat(join(connections, name))).mode & 0o777).toBe(0o600);
  });

  test('has no problem any more when the connections that it does not know have gone', async () => {
    const { running } = await openLoop(alice);
    await companion.stop();
    await rm(host.machine.paths.connections, { recursive: true });
    await takeOver();
    await authority.waitForAcknowledgement(({ problem }) => problem?.includes('unknown') ?? false);
    authority.acknowledgements.length = 0;
    running.child.kill('SIGKILL');
    await authority.waitForAcknowledgement(({ problem }) => problem === null);
    expect(companion.status().problem).toBeNull();
  });

  test('reports connections that it does not know, and ends them where it must fail closed', async () => {
    const { tree } = await openLoop(alice);
    await companion.stop();
    await rm(host.machine.paths.connections, { recursive: true });
    await takeOver();
    const told = await authority.waitForAcknowledgement(({ problem }) => problem !== null);
    expect(told.problem).toMatch(/unknown to the companion/);
    expect(alive(tree).length).toBeGreaterThanOrEqual(2);
    await companion.stop();
    await takeOver({ failClosed: true });
    expect(alive(tree)).toEqual([]);
  });
});

describe.skipIf(!hasNames)('a companion (needs root, sshd, curl, libnss-extrausers)', () => {
  test('that has not heard of the CA for longer than allowed lets nobody in, and says why', async () => {
    await companion.stop();
    await takeOver({
      enrolment: { ...host.machine.enrolment, serverUrl: 'http://localhost:1' },
      maximumStalenessSeconds: 60,
      clock: () => new Date(Date.now() + 120_000),
    });
    const person = await createPerson(authority, world.folder, bob);
    const args = ['-p', String(host.port), `${appLogin}@127.0.0.1`, 'true'];
    expect(await runSsh(person, args)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('This machine has not heard from the certificate authority for'),
    });
    await companion.stop();
    await takeOver();
    expect(await runSsh(person, args)).toMatchObject({ status: 0 });
  });

  test('whose sshd has ended tells so in its status, and acknowledges states all the same', async () => {
    expect(companion.status().problem).toBeNull();
    await host.machine.sshd.stop();
    expect(companion.status().problem).toMatch(/^sshd does not run /);
    const version = authority.push();
    const told = await authority.waitForAcknowledgement((found) => found.version === version);
    expect(told.problem).toBeNull();
  });
});
