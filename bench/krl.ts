/**
 * Revocation lists of many serials: bytes and time beside `ssh-keygen -k` on the same serials, and the time of one more
 * entry. `--full` gives ssh-keygen a million too, which takes it minutes; without it, a hundred thousand.
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeKrl } from '../src/ssh/encode-krl.ts';
import { largestBitmapBits, serialBitmap } from '../src/ssh/krl-format.ts';
import { generateEd25519 } from '../src/ssh/openssh-private-key.ts';
import { publicKeyLine } from '../src/ssh/public-key.ts';
import { SerialSet } from '../src/ssh/serial-set.ts';
import { median } from './measure.ts';

const million = 1_000_000;
const theirCount = process.argv.includes('--full') ? million : 100_000;
const repetitions = 5;
const limits = { secondsForMillion: 1, timesTheirBytes: 1.1 };

const caPublicKey = generateEd25519().publicKeyBlob;
const folder = mkdtempSync(join(tmpdir(), 'sallyport-bench-'));
const caFile = join(folder, 'ca.pub');
writeFileSync(caFile, `${publicKeyLine({ type: 'ssh-ed25519', blob: caPublicKey })}\n`);

/** A number below `limit`, the same at every run of the benchmark. */
let state = 1;
function random(limit: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * limit);
}

/** How serials may lie, for `count` of them. Those of one window are denser or thinner with the count. */
const distributions: readonly (readonly [name: string, of: (count: number) => BigUint64Array])[] = [
  [
    'random in 64 bits',
    (count) => withoutZero(new BigUint64Array(randomBytes(8 * count).buffer.slice(0, 8 * count))),
  ],
  [
    'random, 1 of 17',
    (count) => BigUint64Array.from({ length: count }, () => BigInt(1 + random(17 * count))),
  ],
  ['every second', (count) => BigUint64Array.from({ length: count }, (_, index) => BigInt(2 * index + 1))],
  ['one run', (count) => BigUint64Array.from({ length: count }, (_, index) => BigInt(index + 1))],
  ['runs of 1 to 40', (count) => clusters(count, 40, 5_000, 1)],
  ['blocks, 1 of 7', (count) => clusters(count, 300, 1_000_000, 7)],
];

function withoutZero(serials: BigUint64Array): BigUint64Array {
  return serials.map((serial) => serial || 1n);
}

function clusters(count: number, longest: number, gap: number, step: number): BigUint64Array {
  const serials = new BigUint64Array(count);
  let next = 1n;
  for (let index = 0; index < count; ) {
    next += BigInt(1 + random(gap));
    for (let left = 1 + random(longest); left > 0 && index < count; left--) {
      serials[index++] = next;
      next += BigInt(step === 1 ? 1 : 1 + random(2 * step - 1));
    }
  }
  return serials;
}

function ours(serials: SerialSet): Buffer {
  return encodeKrl({
    version: 1n,
    generatedAt: 1n,
    comment: '',
    sections: [{ kind: 'certificates', caPublicKey, serials }],
  });
}

function theirs(serials: BigUint64Array): { bytes: Buffer; seconds: number } {
  const specification = join(folder, 'specification');
  const file = join(folder, 'krl');
  writeFileSync(specification, Array.from(serials, (serial) => `serial: ${serial}\n`).join(''));
  const { seconds } = timed(() => {
    const { status, stderr } = spawnSync('ssh-keygen', ['-q', '-k', '-f', file, '-s', caFile, specification]);
    if (status !== 0) throw new Error(`ssh-keygen -k: ${stderr}`);
  });
  return { bytes: readFileSync(file), seconds };
}

function timed<T>(work: () => T): { result: T; seconds: number } {
  const start = performance.now();
  const result = work();
  return { result, seconds: (performance.now() - start) / 1000 };
}

/** Whether sshd refuses the file, and with it every login: by the bitmaps of its one section. */
function hasIllegalBitmap(krl: Buffer): boolean {
  const header = 44 + 5 + 4 + caPublicKey.length + 4;
  for (let offset = header; offset < krl.length; ) {
    const length = krl.readUInt32BE(offset + 1);
    if (krl.readUInt8(offset) === serialBitmap && krl.readUInt32BE(offset + 13) > largestBitmapBits / 8 + 1)
      return true;
    offset += 5 + length;
  }
  return false;
}

function row(cells: readonly string[]): void {
  console.log(cells.map((cell, index) => (index === 0 ? cell.padEnd(20) : cell.padStart(16))).join(''));
}

const problems: string[] = [];
try {
  row(['serials', 'count', 'our bytes', 'our seconds', 'one more (ms)']);
  for (const [name, of] of distributions) {
    const serials = of(million);
    const runs = Array.from({ length: repetitions }, () => timed(() => ours(SerialSet.of(serials))));
    const seconds = median(runs.map((run) => run.seconds));
    const set = SerialSet.of(serials);
    ours(set);
    const more = median(
      Array.from({ length: repetitions }, (_, index) =>
        timed(() => set.change({ added: [9_000_000_007n + BigInt(index)] }).encode()),
      ).map((run) => 1000 * run.seconds),
    );
    row([name, `${million}`, `${runs[0]?.result.length}`, seconds.toFixed(2), more.toFixed(1)]);
    if (seconds > limits.secondsForMillion) problems.push(`${name}: ${seconds.toFixed(2)} s for a million`);
  }
  console.log();
  row([
    'beside ssh-keygen -k',
    'count',
    'its bytes',
    'ratio of bytes',
    'its seconds',
    'ratio of time',
    'sshd takes its',
  ]);
  for (const [name, of] of distributions) {
    const serials = of(theirCount);
    const { bytes, seconds } = theirs(serials);
    const own = timed(() => ours(SerialSet.of(serials)));
    const ratio = own.result.length / bytes.length;
    row([
      name,
      `${theirCount}`,
      `${bytes.length}`,
      ratio.toFixed(3),
      seconds.toFixed(2),
      (own.seconds / seconds).toFixed(4),
      hasIllegalBitmap(bytes) ? 'NO' : 'yes',
    ]);
    if (ratio > limits.timesTheirBytes)
      problems.push(`${name}: ${ratio.toFixed(3)} times the bytes of ssh-keygen`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(problems.length === 0 ? '\nwithin the limits' : `\nover the limits: ${problems.join('; ')}`);
process.exitCode = problems.length === 0 ? 0 : 1;
