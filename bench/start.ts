/** How long `npm start` takes until it is ready, on a data folder that was used before. The limit is 3 s. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { report } from './measure.ts';

const runs = 7;
const limitMilliseconds = 3_000;
const root = join(import.meta.dirname, '..');

async function startOnce(data: string): Promise<number> {
  const begin = performance.now();
  const child = spawn('npm', ['start', '--', '--data', data, '--port', '0'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ready = await new Promise<number>((resolve, reject) => {
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (output.includes('Ctrl-C ends it')) resolve(performance.now() - begin);
    });
    child.once('close', () => reject(new Error(`it ended before it was ready:\n${output}`)));
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGTERM');
  await ended;
  return ready;
}

const folder = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
try {
  const first = await startOnce(join(folder, 'data'));
  console.log(`first start, making the database: ${first.toFixed(0)} ms`);
  const milliseconds: number[] = [];
  for (let run = 0; run < runs; run += 1) milliseconds.push(await startOnce(join(folder, 'data')));
  console.log(report({ name: 'npm start to ready', milliseconds, limitMilliseconds }));
} finally {
  await rm(folder, { recursive: true, force: true });
}
