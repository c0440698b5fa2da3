/**
 * Questions that come together are read together. Nobody waits for company: who finds no reading under way goes at once,
 * and those who come meanwhile make up the next one. So nobody is given what was read before they asked.
 */
import { setTimeout as rest } from 'node:timers/promises';
import { SallyportError } from '../errors/sallyport-error.ts';

export interface GatherOptions<Answer> {
  /** The answer to each; what it leaves out is an error of its own. If it throws, everybody is told that. */
  readonly read: (keys: readonly string[]) => Promise<ReadonlyMap<string, Answer>>;
  /** Of one reading. */
  readonly largest: number;
  /** Who comes when so many wait is asked to come back later. */
  readonly mostWaiting: number;
  /** How long to wait for more after a reading of several: where a crowd comes, fewer readings are better than early ones. */
  readonly restMilliseconds?: number;
}

interface Waiting<Answer> {
  readonly key: string;
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

/** Returns the function that answers one question. @throws unavailable, with the seconds to wait; what `read` throws */
export function createGather<Answer>(options: GatherOptions<Answer>): (key: string) => Promise<Answer> {
  const { read, largest, mostWaiting, restMilliseconds = 0 } = options;
  const waiting: Waiting<Answer>[] = [];
  let isReading = false;

  /** @returns how many were answered */
  async function readNext(): Promise<number> {
    const asked = waiting.splice(0, largest);
    const answers = await read([...new Set(asked.map(({ key }) => key))]).catch((error: unknown) => {
      for (const { reject } of asked) reject(error);
    });
    if (answers === undefined) return asked.length;
    for (const { key, resolve, reject } of asked) {
      const answer = answers.get(key);
      if (answer === undefined) reject(new TypeError('a reading left out what it was asked for'));
      else resolve(answer);
    }
    return asked.length;
  }

  async function readAll(): Promise<void> {
    isReading = true;
    while (waiting.length > 0) {
      if ((await readNext()) > 1 && restMilliseconds > 0) await rest(restMilliseconds);
    }
    isReading = false;
  }

  return (key) => {
    if (waiting.length >= mostWaiting) return Promise.reject(comeBackLater());
    return new Promise((resolve, reject) => {
      waiting.push({ key, resolve, reject });
      if (!isReading) void readAll();
    });
  };
}

const pause = { leastSeconds: 30, mostSeconds: 120 };

/** Different for everybody, so that those who are turned away together do not come back together. */
export function comeBackLater(): SallyportError {
  const { leastSeconds, mostSeconds } = pause;
  const retry_after = Math.ceil(leastSeconds + Math.random() * (mostSeconds - leastSeconds));
  return new SallyportError(
    'unavailable',
    `The server has more machines to answer than it can at once. Try again in ${retry_after} seconds.`,
    { members: { retry_after } },
  );
}
