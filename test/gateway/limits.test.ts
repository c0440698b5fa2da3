/**
 * [seeds 37] is proven by three tests together: a session outlives its certificate and the age of its second factor, and
 * it ends at the longest time, or when it is idle, where its environment says so.
 */
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { EndReason } from '../../src/api/companions.ts';
import { readProcess, readSameProcess } from '../../src/gateway/proc.ts';
import type { LocalMachine } from './local-machine.ts';
import { createPerson, type Person, type RunningSsh, runSsh, startSsh } from './ssh-client.ts';
import { alice, appLogin, hasNames, TestWorld, web } from './test-world.ts';

const world = new TestWorld();
const { authority } = world;
let gateway: { machine: LocalMachine; port: number };
let host: { machine: LocalMachine; port: number };
let started: RunningSsh[] = [];
/** How far the clocks of the companions are ahead: time passes when a test says so. */
let aheadSeconds = 0;
let aheadAtGatewaySeconds = 0;
const later = (seconds: number) => new Date(Date.now() + seconds * 1000);

beforeAll(async () => {
  if (!hasNames) return;
  await world.open();
  host = await world.startMachine('host', { clock: () => later(aheadSeconds) });
  await setLimits({});
  gateway = await world.startMachine('gateway', { clock: () => later(aheadAtGatewaySeconds) });
});
beforeEach(() => {
  aheadSeconds = 0;
});
afterEach(() => {
  for (const { child } of started) child.kill('SIGKILL');
  started = [];
});
afterAll(() => world.close());

/** Resolves when the host has them. */
async function setLimits(limits: Partial<typeof web>): Promise<void> {
  authority.targets = [{ ...web, port: host.port, ...limits }];
  const version = authority.push();
  await authority.waitForAcknowledgement((found) => found.version === version);
}

const toHost = (...command: string[]) => ['-p', String(host.port), `${appLogin}@127.0.0.1`, ...command];

function start(person: Person, args: readonly string[]): RunningSsh {
  const running = startSsh(person, args);
  started.push(running);
  return running;
}

/** The connection's key, once the companion says that somebody is logged in on it. */
async function keyOf(person: Person): Promise<string> {
  const isTheirs = ({ session_id }: { session_id: string }) => session_id === person.sessionId;
  const { connections } = await authority.waitForReport((found) => found.connections.some(isTheirs));
  return connections.find(isTheirs)?.key ?? '';
}

/** Why it ended, as the companion tells the CA. */
async function endOf(key: string): Promise<EndReason | undefined> {
  const { ended = [] } = await authority.waitForReport(
    (found) => found.ended?.some((one) => one.key === key) ?? false,
  );
  return ended.find((one) => one.key === key)?.reason;
}

describe.skipIf(!hasNames)('a running session (needs root, sshd, curl, libnss-extrausers)', () => {
  test('[seeds 37] goes on after its certificate has expired and its second factor is too old for a new one', async () => {
    await setLimits({});
    const person = await createPerson(authority, world.folder, alice);
    const running = start(person, toHost('while read line; do echo "got $line"; done'));
    running.child.stdin?.write('one\n');
    await running.waitForOutput(/got one/);
    aheadSeconds = 7_200;
    expect((await runSsh(person, toHost('true'))).status).toBe(255);
    await host.machine.companion.checkConnections();
    running.child.stdin?.write('two\n');
    await running.waitForOutput(/got two/);
    running.child.stdin?.end();
    expect((await running.ended).status).toBe(0);
  });

  test('[seeds 37] ends at the longest time, with a line on its terminal that says so', async () => {
    await setLimits({ maxConnectionSeconds: 600 });
    const person = await createPerson(authority, world.folder, alice);
    const running = start(person, ['-tt', ...toHost('echo up; while :; do sleep 0.1; done')]);
    await running.waitForOutput(/up/);
    const key = await keyOf(person);
    aheadSeconds = 601;
    expect(await endOf(key)).toBe('too_long');
    const { stdout } = await running.ended;
    expect(stdout).toContain(
      'Connection ended: The connection has lasted as long as this environment allows.',
    );
    expect(world.logged).toContainEqual(
      expect.objectContaining({
        event: 'connection.ended',
        facts: expect.objectContaining({ session: person.sessionId, reason: 'too_long' }),
      }),
    );
  });

  test('[seeds 37] ends when it is idle, and not while it is used', async () => {
    await setLimits({ idleTimeoutSeconds: 60 });
    const busy = await createPerson(authority, world.folder, alice);
    const idle = await createPerson(authority, world.folder, alice);
    const used = start(
      busy,
      toHost('while read line; do head -c 4000 /dev/zero | tr "\\0" x; echo "got $line"; done'),
    );
    const silent = start(idle, toHost('sleep 1000'));
    const [busyKey, idleKey] = [await keyOf(busy), await keyOf(idle)];
    await host.machine.companion.checkConnections();
    for (const step of [1, 2, 3, 4]) {
      used.child.stdin?.write(`${step}\n`);
      await used.waitForOutput(new RegExp(`got ${step}`));
      await host.machine.companion.checkConnections();
      aheadSeconds += 20;
    }
    expect(await endOf(idleKey)).toBe('idle');
    expect((await silent.ended).status).toBe(255);
    expect(used.child.exitCode).toBeNull();
    aheadSeconds += 60;
    expect(await endOf(busyKey)).toBe('idle');
  });

  test('ends with the age of its second factor where its environment enforces that continuously', async () => {
    await setLimits({ mfaMaxAgeSeconds: 900, mfaEnforcement: 'continuous' });
    const person = await createPerson(authority, world.folder, alice);
    const running = start(person, ['-tt', ...toHost('echo up; while :; do sleep 0.1; done')]);
    await running.waitForOutput(/up/);
    const key = await keyOf(person);
    aheadSeconds = 902;
    expect(await endOf(key)).toBe('mfa_too_old');
    expect((await running.ended).stdout).toContain('Log in again: sally login --mfa');
  });

  test.each([
    ['too_long', 601, {}],
    ['access_denied', 0, { state: 'stopped' as const }],
  ])(
    'that was over before its shared connection ended (%s) keeps what it left running',
    async (reason, seconds, more) => {
      await setLimits({ maxConnectionSeconds: 600 });
      const person = await createPerson(authority, world.folder, alice);
      const socket = join(world.folder, reason);
      const master = start(person, ['-tt', '-M', '-S', socket, ...toHost('echo up; sleep 1000')]);
      await master.waitForOutput(/up/);
      const { stdout } = await runSsh(person, [
        '-S',
        socket,
        ...toHost('nohup sleep 1000 >/dev/null 2>&1 & echo $!'),
      ]);
      const left = readProcess(Number(stdout));
      if (left === undefined) throw new Error('nothing was left running');
      try {
        const key = await keyOf(person);
        aheadSeconds = seconds;
        await setLimits({ maxConnectionSeconds: 600, ...more });
        expect(await endOf(key)).toBe(reason);
        await master.ended;
        expect(readSameProcess(left)).toBeDefined();
        // Until its login session ends, of course.
        authority.endedSessions.push(person.sessionId);
        const version = authority.push();
        await authority.waitForAcknowledgement((found) => found.version === version);
        expect(readSameProcess(left)).toBeUndefined();
      } finally {
        if (readSameProcess(left)) process.kill(left.pid, 'SIGKILL');
      }
    },
  );

  test('ends by a limit that is set while it runs', async () => {
    await setLimits({});
    const person = await createPerson(authority, world.folder, alice);
    const running = start(person, toHost('sleep 1000'));
    const key = await keyOf(person);
    aheadSeconds = 60;
    await setLimits({ maxConnectionSeconds: 30 });
    expect(await endOf(key)).toBe('too_long');
    expect((await running.ended).status).toBe(255);
  });

  test('ends at a gateway that it jumps through, which reports the way and where its client is', async () => {
    await setLimits({ maxConnectionSeconds: 600 });
    const person = await createPerson(authority, world.folder, alice);
    const through = ['-J', `${web.targetName}@127.0.0.1:${gateway.port}`];
    // It ends with its input: what a limit at a gateway cuts off is the target's as after any logout.
    const running = start(person, [...through, ...toHost('cat')]);
    const isJump = ({ session_id, way }: { session_id: string; way?: string | undefined }) =>
      session_id === person.sessionId && way === 'jump';
    const { connections } = await authority.waitForReport((found) => found.connections.some(isJump));
    const jump = connections.find(isJump);
    expect(jump).toMatchObject({ client_address: '127.0.0.1', target: web.targetName });
    aheadAtGatewaySeconds = 601;
    expect(await endOf(jump?.key ?? '')).toBe('too_long');
    expect((await running.ended).status).toBe(255);
  });
});
