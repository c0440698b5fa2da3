import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type ProcessId, readProcess, readProcesses, readSameProcess } from '../../src/gateway/proc.ts';
import { processTree } from '../../src/gateway/process-tree.ts';
import type { LocalMachine } from './local-machine.ts';
import { createPerson, type Person, type RunningSsh, runSsh, startSsh, until } from './ssh-client.ts';
import { alice, appLogin, bob, carol, hasNames, TestWorld, web } from './test-world.ts';

const world = new TestWorld();
const { authority } = world;
let gateway: { machine: LocalMachine; port: number };
let host: { machine: LocalMachine; port: number };
/** Whatever a failed test leaves. */
let started: RunningSsh[] = [];
let leftRunning: ProcessId[] = [];

beforeAll(async () => {
  if (!hasNames) return;
  await world.open();
  host = await world.startMachine('host');
  authority.targets = [{ ...web, port: host.port }];
  authority.push();
  gateway = await world.startMachine('gateway');
});
afterEach(() => {
  for (const { child } of started) child.kill('SIGKILL');
  for (const { pid } of alive(leftRunning)) process.kill(pid, 'SIGKILL');
  started = [];
  leftRunning = [];
});
afterAll(() => world.close());

const toHost = (...command: string[]) => ['-p', String(host.port), `${appLogin}@127.0.0.1`, ...command];
const jump = (...command: string[]) => [
  '-J',
  `${web.targetName}@127.0.0.1:${gateway.port}`,
  ...toHost(...command),
];
const loop = 'while date; do sleep 0.2; done';

function start(person: Person, args: readonly string[]): RunningSsh {
  const running = startSsh(person, args);
  started.push(running);
  return running;
}

/** Every process of the person's connections at a machine, as /proc shows them. */
async function treesOf({ machine }: { machine: LocalMachine }, person: Person): Promise<ProcessId[]> {
  const report = await authority.waitForReport(({ connections }) =>
    connections.some(
      ({ session_id, key }) => session_id === person.sessionId && monitorOf(key).parent === machine.sshd.pid,
    ),
  );
  const processes = readProcesses();
  return report.connections
    .filter(({ session_id }) => session_id === person.sessionId)
    .map(({ key }) => monitorOf(key))
    .flatMap((monitor) => [monitor, ...processTree(monitor, processes).descendants]);
}

function monitorOf(key: string): ProcessId & { parent: number } {
  const [, pid, startTime = ''] = key.split(':');
  const id = { pid: Number(pid), startTime };
  return { ...id, parent: readSameProcess(id)?.parent ?? 0 };
}

const alive = (tree: readonly ProcessId[]) => tree.filter((one) => readSameProcess(one) !== undefined);

/** Ends the session as the CA would, and waits until a machine says that it ended connections because of it. */
async function endSession(person: Person): Promise<void> {
  authority.revoked.push(person.serial);
  authority.endedSessions.push(person.sessionId);
  const version = authority.push({ krl: true });
  await authority.waitForAcknowledgement((found) => found.version === version && found.connections_ended > 0);
}

describe.skipIf(!hasNames)('ending a session ends (needs root, sshd, curl, libnss-extrausers)', () => {
  test('a loop without a terminal, acknowledged only when all its processes are gone', async () => {
    const person = await createPerson(authority, world.folder, alice);
    const running = start(person, toHost(loop));
    await running.waitForOutput(/\d/);
    const tree = await treesOf(host, person);
    expect(tree.length).toBeGreaterThanOrEqual(3);
    await endSession(person);
    expect(alive(tree)).toEqual([]);
    expect((await running.ended).status).not.toBe(0);
  });

  test('a command that ignores every signal it can, and its children under nohup', async () => {
    const person = await createPerson(authority, world.folder, alice);
    const command = `trap '' HUP TERM INT PIPE; nohup sleep 1000 >/dev/null 2>&1 & nohup sh -c 'while :; do sleep 0.1; done' >/dev/null 2>&1 & echo up; wait`;
    const running = start(person, toHost(command));
    await running.waitForOutput(/up/);
    const tree = await treesOf(host, person);
    expect(tree.length).toBeGreaterThanOrEqual(5);
    await endSession(person);
    expect(alive(tree)).toEqual([]);
  });

  test('[abuse 118] a ControlMaster with its running session, so that its socket accepts no new one', async () => {
    const person = await createPerson(authority, world.folder, alice);
    const socket = join(world.folder, `m${randomUUID().slice(0, 8)}`);
    const master = start(person, ['-M', '-S', socket, '-N', ...toHost()]);
    const through = (...command: string[]) => runSsh(person, ['-S', socket, ...toHost(...command)]);
    await until(
      async () => (await runSsh(person, ['-S', socket, '-O', 'check', ...toHost()])).status === 0,
      'up',
    );
    expect(await through('echo', 'through')).toMatchObject({ status: 0, stdout: 'through\n' });
    const session = start(person, ['-S', socket, ...toHost(loop)]);
    await session.waitForOutput(/\d/);
    const tree = await treesOf(host, person);
    await endSession(person);
    expect(alive(tree)).toEqual([]);
    await master.ended;
    await session.ended;
    rmSync(socket, { force: true });
    expect((await through('echo', 'again')).status).toBe(255);
  });

  test('a program whose first thread has ended, which /proc calls a zombie', async () => {
    const person = await createPerson(authority, world.folder, alice);
    const program = [
      'import ctypes, os, threading, time',
      'threading.Thread(target=time.sleep, args=(1000,)).start()',
      'print(os.getpid(), flush=True)',
      'ctypes.CDLL(None).pthread_exit(None)',
    ];
    const running = start(person, toHost(`python3 -c '${program.join('; ')}'`));
    await running.waitForOutput(/\d\n/);
    const isZombie = () => readProcess(Number(running.stdout))?.state === 'Z';
    await until(isZombie, 'the end of its first thread');
    const left = readProcess(Number(running.stdout));
    if (left === undefined) throw new Error('it has ended');
    leftRunning.push(left);
    expect(alive([left])).toEqual([left]);
    await endSession(person);
    expect(alive([left])).toEqual([]);
  });

  test('a connection without any session (-N)', async () => {
    const person = await createPerson(authority, world.folder, bob);
    const running = start(person, ['-N', ...toHost()]);
    const tree = await treesOf(host, person);
    await endSession(person);
    expect(alive(tree)).toEqual([]);
    expect((await running.ended).status).toBe(255);
  });

  test('an sftp session', async () => {
    const person = await createPerson(authority, world.folder, bob);
    const running = start(person, ['-s', ...toHost('sftp')]);
    // SSH_FXP_INIT, version 3; the answer is the server's version and its extensions.
    running.child.stdin?.write(Buffer.from('000000050100000003', 'hex'));
    await running.waitForOutput(/posix-rename@openssh\.com/);
    const tree = await treesOf(host, person);
    await endSession(person);
    expect(alive(tree)).toEqual([]);
    expect((await running.ended).status).not.toBe(0);
  });

  test('a session with a terminal', async () => {
    const person = await createPerson(authority, world.folder, bob);
    const running = start(person, ['-tt', ...toHost(loop)]);
    await running.waitForOutput(/\d/);
    const tree = await treesOf(host, person);
    await endSession(person);
    expect(alive(tree)).toEqual([]);
    await running.ended;
  });

  test('a jump, at the gateway and at the target', async () => {
    const person = await createPerson(authority, world.folder, alice);
    const running = start(person, jump(loop));
    await running.waitForOutput(/\d/);
    const trees = [...(await treesOf(gateway, person)), ...(await treesOf(host, person))];
    await endSession(person);
    await until(() => alive(trees).length === 0, 'both ends gone');
    expect((await running.ended).status).not.toBe(0);
  });
});

describe.skipIf(!hasNames)(
  'what a connection that is gone left running (needs root, sshd, curl, libnss-extrausers)',
  () => {
    /** Its shell and the connection have gone before anybody ends the session, as where a gateway is the first to cut a relay. */
    async function leave(account: string) {
      const person = await createPerson(authority, world.folder, account);
      const running = start(person, toHost('nohup sleep 1000 >/dev/null 2>&1 & echo $!'));
      await running.waitForOutput(/\d/);
      const left = readProcess(Number(running.stdout));
      if (left === undefined) throw new Error('nothing was left running');
      leftRunning.push(left);
      // OpenSSH closes the session with its shell's end, and the connection with it.
      await running.ended;
      const { companion } = host.machine;
      await until(() => companion.status().connections === 0, 'a companion that has seen it go');
      return { person, left };
    }

    test.each([
      [
        'the state says that its session has ended',
        alice,
        (person: Person) => authority.endedSessions.push(person.sessionId),
      ],
      ['its certificate is revoked', bob, (person: Person) => authority.revoked.push(person.serial)],
    ])('ends when %s', async (_why, account, revoke) => {
      const { person, left } = await leave(account);
      expect(alive([left])).toEqual([left]);
      revoke(person);
      const version = authority.push({ krl: true });
      await authority.waitForAcknowledgement((found) => found.version === version);
      expect(alive([left])).toEqual([]);
    });

    test('ends when the access that let it in is taken away', async () => {
      const { left } = await leave(carol);
      const before = authority.rules;
      authority.rules = before.filter(({ subject }) => !('account' in subject) || subject.account !== carol);
      const version = authority.push();
      await authority.waitForAcknowledgement((found) => found.version === version);
      expect(alive([left])).toEqual([]);
      authority.rules = before;
      authority.push();
    });

    test('goes on after an ordinary logout, whoever else is put out', async () => {
      const { left } = await leave(alice);
      const other = await createPerson(authority, world.folder, alice);
      const running = start(other, toHost(loop));
      await running.waitForOutput(/\d/);
      await endSession(other);
      await host.machine.companion.checkConnections();
      expect(alive([left])).toEqual([left]);
    });
  },
);

describe.skipIf(!hasNames)('a running connection (needs root, sshd, curl, libnss-extrausers)', () => {
  const open = async (account: string, options = {}) => {
    const person = await createPerson(authority, world.folder, account, options);
    const running = start(person, toHost(loop));
    await running.waitForOutput(/\d/);
    return { person, running, tree: await treesOf(host, person) };
  };

  test('ends when its account is disabled', async () => {
    const { tree } = await open(carol);
    const before = authority.accounts;
    authority.accounts = before.map((account) => ({ ...account, disabled: account.name === carol }));
    const version = authority.push();
    await authority.waitForAcknowledgement(
      (found) => found.version === version && found.connections_ended > 0,
    );
    expect(alive(tree)).toEqual([]);
    authority.accounts = before;
    authority.push();
  });

  test('ends when its access rule is taken away', async () => {
    const { tree } = await open(bob);
    const before = authority.rules;
    authority.rules = before.filter(({ subject }) => !('account' in subject) || subject.account !== bob);
    const version = authority.push();
    await authority.waitForAcknowledgement(
      (found) => found.version === version && found.connections_ended > 0,
    );
    expect(alive(tree)).toEqual([]);
    authority.rules = before;
    authority.push();
  });

  test('goes on when somebody else is revoked', async () => {
    const mine = await open(alice);
    const other = await open(bob);
    await endSession(other.person);
    expect(alive(other.tree)).toEqual([]);
    expect(alive(mine.tree).length).toBeGreaterThanOrEqual(2);
    mine.running.stdout = '';
    await mine.running.waitForOutput(/\d/);
  });

  test('ends when the reply to a report says that its session has ended', async () => {
    const { person, tree } = await open(alice);
    authority.endedAmongReported.push(person.sessionId);
    // Any change makes the companion report again.
    await open(bob);
    await until(() => alive(tree).length === 0, 'the end');
  });

  test('ends by the clock, with the access rule that let it in', async () => {
    const before = authority.rules;
    authority.rules = before.map((rule) => ({
      ...rule,
      expiresAtSeconds: Math.floor(Date.now() / 1_000) + 4,
    }));
    authority.push();
    const { tree } = await open(alice);
    await until(() => alive(tree).length === 0, 'the end of the rule');
    authority.rules = before;
    authority.push();
  });
});
