/**
 * Fuzzes one parser in a thread of its own, so that the main thread can watch it: before each input is tried it is put
 * where the other side sees it, and a thread that hangs or runs out of memory can't take it along.
 *
 * Feedback is the outcome: the error with its message and place, or the shape of what was read. An input with a new
 * outcome is kept and changed further; a shorter one with the same outcome takes its place.
 */
import { setImmediate as rest } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { examine, Finding, type FuzzedParser } from './examine.ts';
import { mutate } from './mutate.ts';
import { randomFrom } from './random.ts';
import { publish } from './watched-input.ts';

export interface FuzzTask {
  /** The module that exports `parsers`, and which of them. */
  readonly module: string;
  readonly parser: string;
  readonly seeds: readonly Uint8Array[];
  readonly randomSeed: number;
  /** Milliseconds of Date.now(). */
  readonly until: number;
  readonly watched: SharedArrayBuffer;
}

export type FuzzMessage =
  | { readonly kind: 'finding'; readonly problem: string; readonly input: Uint8Array }
  | {
      readonly kind: 'done';
      /** By outcome. */
      readonly kept: ReadonlyMap<string, Uint8Array>;
      readonly bySeeds: ReadonlySet<string>;
    };

const { module, parser: name, seeds, randomSeed, until, watched } = workerData as FuzzTask;
const { parsers } = (await import(module)) as { parsers: Readonly<Record<string, FuzzedParser>> };
const parser = parsers[name] as FuzzedParser;

/** Tried even where the time was over before it came to that, as beside much else: seeds alone find nothing new. */
const fewest = 2_048;

/** By outcome. */
const kept = new Map<string, Buffer>();
let pool: Buffer[] = [];

/** false if the input was a finding. */
async function tryOut(input: Buffer): Promise<boolean> {
  publish(watched, input);
  try {
    const outcome = await examine(parser, input);
    // A promise that failed and that nobody awaits is only heard of once the thread comes to rest.
    await rest();
    const known = kept.get(outcome);
    if (known === undefined || input.length < known.length) {
      kept.set(outcome, input);
      if (known === undefined) pool.push(input);
      else pool = [...kept.values()];
    }
    return true;
  } catch (error) {
    if (!(error instanceof Finding)) throw error;
    parentPort?.postMessage({ kind: 'finding', problem: error.message, input } satisfies FuzzMessage);
    return false;
  }
}

async function fuzz(): Promise<void> {
  for (const seed of seeds) if (!(await tryOut(Buffer.from(seed)))) return;
  const bySeeds = new Set(kept.keys());
  const random = randomFrom(randomSeed);
  for (let tried = 0; tried < fewest || Date.now() < until; tried += 64) {
    for (let turn = 0; turn < 64; turn++) {
      // Half of the time what was found last: that is where something new may follow.
      const recent = Math.max(0, pool.length - 16);
      const base = random.below(2)
        ? random.pick(pool)
        : (pool[recent + random.below(16)] ?? random.pick(pool));
      if (!(await tryOut(mutate(base, random, pool)))) return;
    }
  }
  parentPort?.postMessage({ kind: 'done', kept, bySeeds } satisfies FuzzMessage);
}

await fuzz();
