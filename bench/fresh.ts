/**
 * What the fast path takes while the certificate is good, beside a shell that does nothing: the limit is 5 ms. And what
 * `ssh` takes to read its config for one of our hosts, which runs it, beside another host of the same config.
 */
import { spawnSync } from 'node:child_process';
import { Person } from '../test/cli/person.ts';
import { ServerDouble } from '../test/cli/server-double.ts';
import { median, report } from './measure.ts';

const runs = 200;
const limitMilliseconds = 5;

const server = new ServerDouble();
const alice = new Person();
try {
  await server.start();
  await alice.login(server.url);
  const ssh = (host: string) => ['ssh', '-F', alice.paths.userConfig, '-G', host];
  const commands = {
    nothing: { words: ['/bin/sh', '-c', ':'], end: 0 },
    // Ends with 1 for a person.
    fresh: { words: [alice.paths.fresh], end: 1 },
    elsewhere: { words: ssh('example.com'), end: 0 },
    ours: { words: ssh('shop-production--web.sallyport'), end: 0 },
  };
  const took = {
    nothing: [] as number[],
    fresh: [] as number[],
    elsewhere: [] as number[],
    ours: [] as number[],
  };
  // In turns, so that whatever else the machine does is in all of them.
  for (let run = 0; run < runs; run += 1) {
    for (const name of ['nothing', 'fresh', 'elsewhere', 'ours'] as const) {
      const { words, end } = commands[name];
      const [program = '', ...args] = words;
      const begin = performance.now();
      const { status } = spawnSync(program, args, { stdio: 'ignore' });
      took[name].push(performance.now() - begin);
      if (status !== end) throw new Error(`${program} ended with ${status}`);
    }
  }
  const { nothing, fresh, elsewhere, ours } = took;
  console.log(report({ name: 'the fast path, from spawn to end', milliseconds: fresh, limitMilliseconds }));
  const more = (one: readonly number[], other: readonly number[]) =>
    `${(median(one) - median(other)).toFixed(1)} ms (at best ${(Math.min(...one) - Math.min(...other)).toFixed(1)})`;
  console.log(
    `of that sh -c : ${median(nothing).toFixed(1)} ms (at best ${Math.min(...nothing).toFixed(1)}); the script ${more(fresh, nothing)}`,
  );
  console.log(
    `ssh -G ${median(elsewhere).toFixed(1)} ms; for a host of ours ${more(ours, elsewhere)} more, which is a shell and the fast path`,
  );
} finally {
  alice.remove();
  await server.stop();
}
