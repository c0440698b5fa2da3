/** A real sshd that the CA tells where to listen, and what it opens for -R. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LocalMachine } from './local-machine.ts';
import { canListen, createPerson, freePort, type Person, runSsh, until } from './ssh-client.ts';
import { alice, appLogin, hasNames, TestWorld, web } from './test-world.ts';

const world = new TestWorld();
const { authority } = world;
let machine: LocalMachine;
let port: number;
let person: Person;

beforeAll(async () => {
  if (!hasNames) return;
  await world.open();
  authority.targets = [{ ...web, accessMode: 'both' }];
  ({ machine, port } = await world.startMachine('host', { keepsSshd: true }));
  authority.targets = [{ ...web, port }];
  authority.push();
  person = await createPerson(authority, world.folder, alice);
});
afterAll(() => world.close());

const login = (at: number) => runSsh(person, ['-p', String(at), `${appLogin}@127.0.0.1`, 'echo in']);
const configuration = () => readFile(join(world.folder, 'host/sshd/sshd_config'), 'utf8');
const problem = () => machine.companion.status().problem;

async function listenOn(ports: number[]): Promise<void> {
  authority.ports = ports;
  authority.push();
  const wanted = ports.map((one) => `Port ${one}\n`).join('');
  await until(async () => (await configuration()).includes(wanted), 'the configuration names the ports');
  // What is under way is done then.
  await machine.companion.checkSshd();
}

describe.skipIf(!hasNames)("sshd's ports (needs root, sshd, curl, libnss-extrausers)", () => {
  test('[seeds 41] people get in on every port that the CA names, with one host key, and no longer on one that it dropped', async () => {
    const [second, third] = [await freePort(), await freePort()];
    await listenOn([port, second, third]);
    for (const at of [port, second, third]) {
      expect(await login(at)).toMatchObject({ status: 0, stdout: 'in\n' });
    }
    await listenOn([port, third]);
    expect(await login(third)).toMatchObject({ status: 0 });
    expect(await canListen(second)).toBe(true);
    expect(problem()).toBeNull();
  });

  test('whoever is on the way in while sshd reads its configuration anew gets in', async () => {
    // In between there is no such file (sshd.c, sighup_restart); which takes long where there is much to do.
    expect(await login(port)).toMatchObject({ status: 0 });
    const pidFile = machine.companionOptions.sshdPidFile;
    const pid = await readFile(pidFile, 'ascii');
    await rm(pidFile);
    try {
      expect(await login(port)).toMatchObject({ status: 0, stdout: 'in\n' });
    } finally {
      await writeFile(pidFile, pid);
    }
  });

  test('a port that somebody else has is told, and the others are served', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port: busy } = taken.address() as { port: number };
    await listenOn([port, busy]);
    const words = `sshd does not listen on ${busy}`;
    await until(async () => problem()?.includes(words) ?? false, 'the port is told');
    expect(await login(port)).toMatchObject({ status: 0 });
    // What the CA asked of revocations is in force all the same.
    const version = authority.push();
    const told = await authority.waitForAcknowledgement((found) => found.version === version);
    expect(told.problem).toBeNull();
    await new Promise((resolve) => taken.close(resolve));
    await listenOn([port]);
    await until(async () => problem() === null, 'nothing is told any more');
  });

  test('where sshd does not answer on its first port the old configuration comes back', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port: busy } = taken.address() as { port: number };
    authority.ports = [busy, port];
    authority.push();
    await until(() => problem()?.includes('the old one is back') ?? false, 'the old configuration is back');
    expect(await configuration()).toContain(`Port ${port}\n`);
    expect(await configuration()).not.toContain(`Port ${busy}\n`);
    expect(await login(port)).toMatchObject({ status: 0 });
    await new Promise((resolve) => taken.close(resolve));
    authority.ports = [port];
    authority.push();
    await until(() => problem() === null, 'the configuration is as wanted');
  });

  test('forwarding to the own side is opened by the configuration only where some target has it', async () => {
    expect(await configuration()).toContain('AllowTcpForwarding local\n');
    authority.targets = [{ ...web, port, forwarding: { ...web.forwarding, remote: true } }];
    authority.push();
    await until(async () => (await configuration()).includes('AllowTcpForwarding yes\n'), 'it is opened');
    authority.targets = [{ ...web, port }];
    authority.push();
    await until(async () => (await configuration()).includes('AllowTcpForwarding local\n'), 'it is closed');
  });

  test('and it stays closed to whom policy does not open it, whatever the configuration opens', async () => {
    const other = {
      ...web,
      targetName: 'shop-production--other',
      app: 'other',
      gatewayUid: 600_002,
      login: 'other',
    };
    authority.targets = [
      { ...web, port },
      { ...other, forwarding: { ...web.forwarding, remote: true } },
    ];
    authority.push();
    await until(async () => (await configuration()).includes('AllowTcpForwarding yes\n'), 'it is opened');
    await machine.companion.checkSshd();
    const wanted = await freePort();
    const args = ['-o', 'ExitOnForwardFailure=yes', '-R', `${wanted}:127.0.0.1:1`, '-p', String(port)];
    const ran = await runSsh(person, [...args, `${appLogin}@127.0.0.1`, 'echo in']);
    expect(ran).toMatchObject({ stdout: '' });
    expect(ran.stderr).toContain('remote port forwarding failed');
  });
});
