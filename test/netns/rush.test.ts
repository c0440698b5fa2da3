/** Everybody at once: five hundred people, or five hundred editors of one, at two gateways. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Machine } from './machine.ts';
import type { PersonAtMachine } from './person.ts';
import { canMakeNetworks, NetworkWorld } from './world.ts';

const logins = 500;

/** $1 how many, then ssh's arguments up to the gateway's name, which ends in the last digit of the turn. */
const script = `
count=$1; shift
turn=0
while [ "$turn" -lt "$count" ]; do
  turn=$((turn + 1))
  { "$@" "gate$((turn % 2 + 1))" </dev/null 2>&1 | head -c 100; echo; } &
done
wait
`;

describe.runIf(canMakeNetworks)('when many log in at once', () => {
  let world: NetworkWorld;
  let laptop: Machine;
  let alice: PersonAtMachine;
  beforeAll(async () => {
    world = await NetworkWorld.open();
    laptop = await world.network.machine('laptop', 31);
    alice = await world.person('alicia', laptop);
  });
  afterAll(() => world?.close());

  test('two gateways let five hundred in', async () => {
    const [box] = world.hosts;
    const way = ['-W', `${box?.machine.address}:22`, '-l', 'shop-production--api'];
    const ssh = ['/usr/bin/ssh', ...alice.options, '-o', 'ConnectTimeout=60', ...way];
    const said = await laptop.must(['/bin/sh', '-uc', script, 'sh', `${logins}`, ...ssh]);
    const lines = said.split('\n').map((line) => line.trim());
    const others = lines.filter((line) => line !== '' && !line.startsWith('SSH-2.0-OpenSSH'));
    expect(others).toEqual([]);
    expect(lines.filter((line) => line.startsWith('SSH-2.0-OpenSSH'))).toHaveLength(logins);
  });
});
