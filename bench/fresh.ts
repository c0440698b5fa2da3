/** What the fast path adds to each `ssh` while the certificate is good, beside a shell that does nothing. The limit is 5 ms. */
import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freshScriptText } from '../src/cli/fresh-script.ts';
import { statePaths } from '../src/cli/state-paths.ts';
import { median, report } from './measure.ts';

const runs = 200;
const limitMilliseconds = 5;

function timesOf(program: string, args: readonly string[]): number[] {
  return Array.from({ length: runs }, () => {
    const begin = performance.now();
    const { status } = spawnSync(program, args, { stdio: 'ignore' });
    if (status !== 0) throw new Error(`${program} ended with ${status}`);
    return performance.now() - begin;
  });
}

const folder = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
try {
  const paths = { ...statePaths(folder), personOwn: folder };
  const script = join(folder, 'fresh');
  await writeFile(script, freshScriptText(paths, { node: '/bin/false', entry: '/bin/false' }));
  await chmod(script, 0o700);
  const now = Math.floor(Date.now() / 1000);
  await writeFile(join(folder, 'renew-after'), `${now + 3000}\n${now}\n`);
  await writeFile(join(folder, 'identity.conf'), `#\n# ends ${now + 3600}\nIdentityFile none\n`);
  const nothing = timesOf('/bin/sh', ['-c', ':']);
  const fresh = timesOf(script, []);
  console.log(report({ name: 'the fast path, from spawn to end', milliseconds: fresh, limitMilliseconds }));
  const own = median(fresh) - median(nothing);
  const times = median(fresh) / median(nothing);
  console.log(
    `sh -c : takes ${median(nothing).toFixed(1)} ms; the fast path ${times.toFixed(2)} times that,`,
  );
  console.log(`${own.toFixed(1)} ms more`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
