/** Plain OpenSSH through two gateways to three targets, each a machine of its own with a real network between them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Machine } from './machine.ts';
import type { PersonAtMachine } from './person.ts';
import { canMakeNetworks, NetworkWorld } from './world.ts';

describe.runIf(canMakeNetworks)('on a network', () => {
  let world: NetworkWorld;
  let laptop: Machine;
  let alice: PersonAtMachine;
  beforeAll(async () => {
    world = await NetworkWorld.open();
    laptop = await world.network.machine('laptop', 31);
    alice = await world.person('alicia', laptop);
  });
  afterAll(() => world?.close());

  test('a jump reaches each target through each gateway', async () => {
    for (const gateway of world.gateways) {
      for (const target of world.targets) {
        const jump = [
          '-o',
          `ProxyJump=none`,
          '-o',
          `ProxyCommand=/usr/bin/ssh ${alice.options.join(' ')} -W %h:%p ${target}@${gateway.name}`,
        ];
        const { status, stdout, stderr } = await alice.ssh([...jump, `app@${target}`, 'id -un; exit 7']);
        expect({ status, stdout, stderr }).toEqual({ status: 7, stdout: 'app\n', stderr: '' });
      }
    }
  });
});
