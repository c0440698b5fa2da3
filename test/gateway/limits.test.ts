/**
 * [seeds 37] is proven by three tests together: a session outlives its certificate and the age of its second factor, and
 * it ends at the longest time, or when it is idle, where its environment says so.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { EndReason } from '../../src/api/companions.ts';
import type { LocalMachine } from './local-machine.ts';
import { createPerson, type Person, type RunningSsh, startSsh } from './ssh-client.ts';
import { nowSeconds } from './test-authority.ts';
import { alice, appLogin, hasNames, TestWorld, web } from './test-world.ts';

const world = new TestWorld();
const { authority } = world;
let gateway: { machine: LocalMachine; port: number };
let host: { machine: LocalMachine; port: number };
let started: RunningSsh[] = [];

beforeAll(async () => {
  if (!hasNames) return;
  await world.open();
  host = await world.startMachine('host');
  setLimits({});
  gateway = await world.startMachine('gateway');
});
afterEach(() => {
  for (const { child } of started) child.kill('SIGKILL');
  started = [];
});
afterAll(() => world.close());

function setLimits(limits: Partial<typeof web>): void {
  authority.targets = [{ ...web, port: host.port, ...limits }];
  authority.push();
}

const toHost = (...command: string[]) => ['-p', String(host.port), `${appLogin}@127.0.0.1`, ...command];

function start(person: Person, args: readonly string[]): RunningSsh {
  const running = startSsh(person, args);
  started.push(running);
  return running;
}

/** Why the connection ended, as the companion tells the CA. */
async function reportedEnd(person: Person): Promise<EndReason> {
  const { connections } = await authority.waitForReport((found) =>
    found.connections.some(({ session_id }) => session_id === person.sessionId),
  );
  const key = connections.find(({ session_id }) => session_id === person.sessionId)?.key;
  const { ended = [] } = await authority.waitForReport(
    (found) => found.ended?.some((one) => one.key === key) ?? false,
  );
  return ended.find((one) => one.key === key)?.reason as EndReason;
}

const isStarted = (person: Person) =>
  authority.waitForReport((found) =>
    found.connections.some(({ session_id }) => session_id === person.sessionId),
  );

describe.skipIf(!hasNames)('a running session (needs root, sshd, curl, libnss-extrausers)', () => {
  test('[seeds 37] goes on after its certificate has expired and its second factor is too old for a new one', async () => {
    setLimits({ mfaMaxAgeSeconds: 3 });
    const soon = nowSeconds() + 2;
    const person = await createPerson(authority, world.folder, alice, { validBeforeSeconds: soon });
    const running = start(person, toHost('while read line; do echo "got $line"; done'));
    running.child.stdin?.write('one\n');
    await running.waitForOutput(/got one/);
    // A new connection is the witness that the time has come.
    const refused = async () => (await startSsh(person, toHost('true')).ended).status !== 0;
    while (!(await refused()));
    await host.machine.companion.checkConnections();
    running.child.stdin?.write('two\n');
    await running.waitForOutput(/got two/);
    running.child.stdin?.end();
    expect((await running.ended).status).toBe(0);
  });

  test('[seeds 37] ends at the longest time, with a line on its terminal that says so', async () => {
    setLimits({ maxConnectionSeconds: 1 });
    const person = await createPerson(authority, world.folder, alice);
    const running = start(person, ['-tt', ...toHost('while :; do sleep 0.1; done')]);
    expect(await reportedEnd(person)).toBe('too_long');
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

  test('[seeds 37] ends when it is idle, keep-alives or not, and not while it is used', async () => {
    setLimits({ idleTimeoutSeconds: 2 });
    const busy = await createPerson(authority, world.folder, alice);
    const idle = await createPerson(authority, world.folder, alice);
    const used = start(busy, toHost('while :; do head -c 2000 /dev/zero; sleep 0.2; done'));
    const silent = start(idle, ['-o', 'ServerAliveInterval=1', ...toHost('sleep 1000')]);
    expect(await reportedEnd(idle)).toBe('idle');
    expect((await silent.ended).status).toBe(255);
    expect(used.child.exitCode).toBeNull();
  });

  test('ends with the age of its second factor where its environment enforces that continuously', async () => {
    setLimits({ mfaMaxAgeSeconds: 3, mfaEnforcement: 'continuous' });
    const person = await createPerson(authority, world.folder, alice);
    const running = start(person, ['-tt', ...toHost('while :; do sleep 0.1; done')]);
    expect(await reportedEnd(person)).toBe('mfa_too_old');
    expect((await running.ended).stdout).toContain('Log in again: sally login --mfa');
  });

  test('ends by a limit that is set while it runs', async () => {
    setLimits({});
    const person = await createPerson(authority, world.folder, alice);
    const running = start(person, toHost('sleep 1000'));
    await isStarted(person);
    setLimits({ maxConnectionSeconds: 1 });
    expect(await reportedEnd(person)).toBe('too_long');
    expect((await running.ended).status).toBe(255);
  });

  test('ends at a gateway that it jumps through, which reports the way and where its client is', async () => {
    setLimits({ maxConnectionSeconds: 2 });
    const person = await createPerson(authority, world.folder, alice);
    const through = ['-J', `${web.targetName}@127.0.0.1:${gateway.port}`];
    const running = start(person, [...through, ...toHost('sleep 1000')]);
    const { connections } = await authority.waitForReport((found) =>
      found.connections.some(({ session_id, way }) => session_id === person.sessionId && way === 'jump'),
    );
    expect(connections).toContainEqual(
      expect.objectContaining({ session_id: person.sessionId, way: 'jump', client_address: '127.0.0.1' }),
    );
    expect((await running.ended).status).toBe(255);
  });
});
