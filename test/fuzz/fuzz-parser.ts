/** Fuzzes one parser and watches it: time and memory of each input are limited. */
import { Worker } from 'node:worker_threads';
import type { FuzzMessage, FuzzTask } from './fuzz-thread.ts';
import { executionsOf, inputIn, watchedMemory } from './watched-input.ts';

export interface FuzzOptions {
  /** URL of the module that exports `parsers`, and the name of one of them. */
  readonly module: string;
  readonly parser: string;
  readonly seeds: readonly Uint8Array[];
  readonly randomSeed: number;
  /** Milliseconds of Date.now(). */
  readonly until: number;
  readonly limits?: FuzzLimits;
}

export interface FuzzLimits {
  /** Of this process' computing time, so that a busy machine makes no findings. */
  readonly inputSeconds: number;
  /** Of the whole process. */
  readonly bytes: number;
}

export interface FuzzResult {
  readonly executions: number;
  /** For each outcome, such as an error with its place, the shortest input that has it. */
  readonly kept: ReadonlyMap<string, Uint8Array>;
  /** The outcomes that the seeds have. */
  readonly bySeeds: ReadonlySet<string>;
  readonly finding?: { readonly problem: string; readonly input: Buffer };
}

const ownLimits: FuzzLimits = { inputSeconds: 8, bytes: 1024 ** 3 };
const watchMilliseconds = 100;

export async function fuzzParser(options: FuzzOptions): Promise<FuzzResult> {
  const { module, parser, seeds, randomSeed, until, limits = ownLimits } = options;
  const watched = watchedMemory();
  const workerData = {
    module,
    parser,
    seeds,
    randomSeed,
    until,
    watched,
  } satisfies FuzzTask;
  const thread = new Worker(new URL('fuzz-thread.ts', import.meta.url), {
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: Math.ceil(limits.bytes / 2 ** 21) },
  });
  const ended = new Promise<FuzzResult>((resolve) => {
    const finish = (result: Partial<FuzzResult>) =>
      resolve({ executions: executionsOf(watched), kept: new Map(), bySeeds: new Set(), ...result });
    const stop = (problem: string, input = inputIn(watched)) => finish({ finding: { problem, input } });
    thread.once('message', (message: FuzzMessage) => {
      if (message.kind === 'done') finish({ kept: message.kept, bySeeds: message.bySeeds });
      else stop(message.problem, Buffer.from(message.input));
    });
    // What escapes examine() comes here, from a promise that nobody awaits or a timer; so does memory that ran out.
    thread.once('error', (error) =>
      stop(`ended the program: ${error instanceof Error ? error.stack : error}`),
    );
    thread.once('exit', (code) => stop(`ended the program with status ${code}`));
    watch(watched, limits, stop);
  });
  try {
    return await ended;
  } finally {
    watches.delete(watched);
    thread.removeAllListeners();
    await thread.terminate();
  }
}

/** Memory of the runs that go on. */
const watches = new Set<SharedArrayBuffer>();

function watch(watched: SharedArrayBuffer, limits: FuzzLimits, stop: (problem: string) => void): void {
  watches.add(watched);
  let last = -1;
  let since = 0;
  const look = () => {
    if (!watches.has(watched)) return;
    const { user, system } = process.cpuUsage();
    const executions = executionsOf(watched);
    if (executions !== last) [last, since] = [executions, user + system];
    if (executions > 0 && user + system - since > limits.inputSeconds * 1_000_000) {
      stop(`took more than ${limits.inputSeconds} s`);
    }
    if (process.memoryUsage.rss() > limits.bytes) stop(`took more than ${limits.bytes} bytes of memory`);
    setTimeout(look, watchMilliseconds).unref();
  };
  look();
}
