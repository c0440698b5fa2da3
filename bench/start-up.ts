/**
 * How long `sally status` takes of somebody who is logged in, against Node alone in the same run: at most twice as long.
 * The built package is what people have; the source tree is shown beside it.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeSallyPackage } from '../build/sally-package.ts';
import { Person, sallyEntry } from '../test/cli/person.ts';
import { ServerDouble } from '../test/cli/server-double.ts';
import { median } from './measure.ts';

const runs = 21;
const limit = 2;

const folder = await mkdtemp(join(tmpdir(), 'sally-bench-'));
const server = new ServerDouble();
const alice = new Person();
try {
  await server.start();
  await alice.login(server.url);
  await writeSallyPackage(folder, { version: '0.0.0', releaseKeys: [] });
  const built = [join(folder, 'bin', 'sally.cjs'), 'status'];
  const programs = {
    'node -e 0': { args: ['-e', '0'] },
    'sally status': { args: built },
    'sally status, without a cache': { args: built, more: { XDG_CACHE_HOME: '/dev/null' } },
    'sally status, source tree': { args: [sallyEntry, 'status'] },
  };
  const took = new Map<string, number[]>();
  // In turns, so that whatever else the machine does is in all of them; the first round fills caches.
  for (let round = 0; round <= runs; round += 1) {
    for (const [name, { args, ...rest }] of Object.entries(programs)) {
      const more = 'more' in rest ? rest.more : {};
      const env = { PATH: process.env['PATH'], HOME: alice.home, ...more };
      const begin = performance.now();
      const { status } = spawnSync(process.execPath, args, { env, stdio: 'ignore' });
      if (status !== 0) throw new Error(`${name} ended with ${status}`);
      if (round > 0) took.set(name, [...(took.get(name) ?? []), performance.now() - begin]);
    }
  }
  const node = median(took.get('node -e 0') ?? []);
  for (const [name, milliseconds] of took) {
    const middle = median(milliseconds);
    console.log(`${name}: median ${middle.toFixed(1)} ms, ${(middle / node).toFixed(2)} times Node alone`);
  }
  const ratio = median(took.get('sally status') ?? []) / node;
  console.log(`limit ${limit}, ratio to it ${(ratio / limit).toFixed(2)}`);
} finally {
  alice.remove();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}
