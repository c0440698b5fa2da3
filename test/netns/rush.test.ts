/** The morning: five hundred logins at two gateways, all begun in the same instant. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Machine } from './machine.ts';
import type { PersonAtMachine } from './person.ts';
import { canMakeNetworks, NetworkWorld, type RunningMachine } from './world.ts';

const logins = 500;

/** $1 is the turn, then ssh's arguments up to the gateway's name, which ends in 1 or 2. */
const login = `
turn=$1; shift
"$@" "gate$((turn % 2 + 1))" </dev/null 2>&1 | head -n 1
`;

/** Field 19 of proc(5), /proc/PID/stat. */
function niceOfThreads(pid = 0): number[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) => {
    const text = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1');
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[16]);
  });
}

/** What its companion and its sshd said of trouble, each once, with how often. */
function complaintsOf({ name, log }: RunningMachine): string {
  const complaints = log
    .join('')
    .split('\n')
    .filter((line) => /denied|fail|error|fatal|refus/i.test(line))
    .map((line) => line.replace(/[0-9]+/g, '#'));
  const often = Map.groupBy(complaints, (line) => line);
  return [name, ...Array.from(often, ([line, all]) => `${all.length} times: ${line}`)].join('\n');
}

describe.runIf(canMakeNetworks)('when many log in', () => {
  let world: NetworkWorld;
  let laptop: Machine;
  let alice: PersonAtMachine;
  beforeAll(async () => {
    world = await NetworkWorld.open();
    laptop = await world.network.machine('laptop', 31);
    alice = await world.person('alicia', laptop);
  });
  afterAll(() => world?.close());

  test.runIf(existsSync('/proc/self/autogroup'))(
    'their companions go before the sshd that they answer',
    () => {
      const shares = world.gateways.map(({ companion }) =>
        readFileSync(`/proc/${companion?.pid}/autogroup`, 'utf8').trim(),
      );
      expect(shares).toEqual(Array(2).fill(expect.stringMatching(/ nice -20$/)));
      // Where the machine does not share by sessions, each thread counts.
      const threads = world.gateways.flatMap(({ companion }) => niceOfThreads(companion?.pid));
      expect(new Set(threads)).toEqual(new Set([-20]));
    },
  );

  test('two gateways let five hundred in', { timeout: 180_000 }, async () => {
    const [box] = world.hosts;
    const way = ['-W', `${box?.machine.address}:22`, '-l', 'shop-production--api'];
    const ssh = ['/usr/bin/ssh', ...alice.options, ...way];
    const said = await laptop.must(
      ['/usr/bin/xargs', '-P', `${logins}`, '-I', '{}', '/bin/sh', '-uc', login, 'sh', '{}', ...ssh],
      { input: Array.from({ length: logins }, (_, turn) => `${turn}\n`).join('') },
    );
    const lines = said.split('\n').map((line) => line.trim());
    const isIn = (line: string) => line.startsWith('SSH-2.0-OpenSSH');
    const refused = lines.filter((line) => line !== '' && !isIn(line));
    expect(refused, world.gateways.map(complaintsOf).join('\n')).toEqual([]);
    expect(lines.filter(isIn)).toHaveLength(logins);
  });
});
