/** What people meet when parts of an installation are away, full, damaged or late. One network for all of it. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestPerson } from '../http/test-server.ts';
import type { Machine } from './machine.ts';
import type { PersonAtMachine } from './person.ts';
import { canMakeNetworks, NetworkWorld, type RunningMachine } from './world.ts';

const target = 'shop-staging--web';
const state = '/var/lib/sallyport/gateway';

describe.runIf(canMakeNetworks)('on a network where something is wrong', () => {
  let world: NetworkWorld;
  let laptop: Machine;
  let admin: TestPerson;
  let gate: RunningMachine;
  beforeAll(async () => {
    world = await NetworkWorld.open();
    laptop = await world.network.machine('laptop', 31);
    admin = await world.server.test.person('olga', 'admin');
    const [first] = world.gateways;
    if (first === undefined) throw new Error('no gateway');
    gate = first;
  });
  afterAll(() => world?.close());

  /** The arguments of a jump through the first gateway. */
  const through = (person: PersonAtMachine, command: string): string[] => [
    ...['-o', `ProxyCommand=/usr/bin/ssh ${person.options.join(' ')} -W %h:%p ${target}@${gate.name}`],
    `app@${target}`,
    command,
  ];
  const getsIn = async (person: PersonAtMachine): Promise<boolean> =>
    (await person.ssh(through(person, 'echo in'))).stdout === 'in\n';

  /** A connection that works until somebody ends it. */
  async function working(person: PersonAtMachine): Promise<{ ended: Promise<unknown> }> {
    const loop = 'while :; do echo tick; sleep 0.1; done';
    const child: ChildProcess = laptop.spawn(['/usr/bin/ssh', ...person.options, ...through(person, loop)]);
    const ended = once(child, 'exit');
    if (child.stdout) await once(child.stdout, 'data');
    child.stdout?.resume();
    child.stderr?.resume();
    return { ended };
  }

  async function revoke(person: PersonAtMachine): Promise<void> {
    const { statusCode, body } = await world.server.test.call(
      'POST',
      `/v1/sessions/${person.person.sessionId}/revoke`,
      { as: admin },
    );
    expect({ statusCode, body }).toMatchObject({ statusCode: 200 });
  }

  test('a session that an admin ends is over within its live connection', async () => {
    const person = await world.person('anna', laptop);
    const connection = await working(person);
    await revoke(person);
    await connection.ended;
    expect(await getsIn(person)).toBe(false);
  });

  test('while the server is away people get in and those who were revoked before do not', async () => {
    const [good, bad] = [await world.person('bert', laptop), await world.person('bianca', laptop)];
    await revoke(bad);
    await world.server.disappear();
    expect(await getsIn(good)).toBe(true);
    expect(await getsIn(bad)).toBe(false);
    // Also a companion that starts while nobody can tell it anything.
    await world.kill(gate, 'companion');
    await world.startCompanion(gate);
    expect(await getsIn(good)).toBe(true);
    expect(await getsIn(bad)).toBe(false);
    await world.server.appear();
    await world.restartCompanions();
  });

  test('what was revoked while a companion was stopped ends when it is back; until then nobody gets in', async () => {
    const [stays, goes] = [await world.person('carl', laptop), await world.person('clara', laptop)];
    const connection = await working(goes);
    await world.kill(gate, 'companion');
    expect(await getsIn(stays)).toBe(false);
    await revoke(goes);
    await world.startCompanion(gate);
    await connection.ended;
    expect(await getsIn(stays)).toBe(true);
    expect(await getsIn(goes)).toBe(false);
  });

  test('with a full disk a revocation takes effect all the same, and is written when there is room', async () => {
    const [stays, goes] = [await world.person('dora', laptop), await world.person('david', laptop)];
    const connection = await working(goes);
    const filler = join(world.network.folder, gate.name, 'filler');
    await gate.machine.run(['/bin/dd', 'if=/dev/zero', `of=${filler}`, 'bs=64k', 'status=none']);
    const before = await versionOfKrl();
    await revoke(goes);
    await connection.ended;
    expect(await getsIn(goes)).toBe(false);
    expect(await getsIn(stays)).toBe(true);
    expect(await versionOfKrl()).toBe(before);
    await gate.machine.must(['/bin/rm', filler]);
    await waitFor(async () => (await versionOfKrl()) > before);
    expect(await getsIn(goes)).toBe(false);
    expect(await getsIn(stays)).toBe(true);
  });

  /** As OpenSSH reads it. */
  async function versionOfKrl(): Promise<bigint> {
    const text = await gate.machine.must(['/usr/bin/ssh-keygen', '-Q', '-l', '-f', `${state}/revoked_keys`]);
    return BigInt(/KRL version ([0-9]+)/.exec(text)?.[1] ?? '-1');
  }

  test('a KRL that somebody cut to its header lets nobody in who was revoked, and is whole again soon', async () => {
    const person = await world.person('emil', laptop);
    await revoke(person);
    const size = async () =>
      Number(await gate.machine.must(['/usr/bin/stat', '-c', '%s', `${state}/revoked_keys`]));
    const whole = await size();
    for (const bytes of [0, 44, Math.floor(whole / 2)]) {
      await gate.machine.must(['/usr/bin/truncate', '-s', `${bytes}`, `${state}/revoked_keys`]);
      expect(await getsIn(person)).toBe(false);
      await waitFor(async () => (await size()) === whole);
    }
    expect(await getsIn(person)).toBe(false);
  });

  test('clocks ten minutes apart are told; a machine that fails closed lets nobody in until they agree', async () => {
    const person = await world.person('frida', laptop);
    const status = async () => await world.sallyport(gate, 'status');
    world.server.secondsAhead = -600;
    // Something new, so that the server sends a state with its time.
    await world.server.test.person('fritz', 'contributor');
    await waitFor(async () => /clocks? .* differ/.test((await status()).stdout));
    expect((await status()).status).toBe(1);
    expect(await getsIn(person)).toBe(true);

    await world.kill(gate, 'companion');
    await world.startCompanion(gate, ['--fail-closed']);
    await waitFor(async () => !(await getsIn(person)));
    world.server.secondsAhead = 0;
    await world.person('felix', laptop);
    expect(await getsIn(person)).toBe(true);
  });
});

/** Waits until it holds; the test's own limit of time ends it otherwise. */
async function waitFor(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50));
}
