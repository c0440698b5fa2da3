/** How long a tunnel waits before it tries again. Pure. */

const firstMilliseconds = 500;
const longestMilliseconds = 60_000;

/**
 * Twice as long each time, and by chance up to half of it less, so that those who have lost a gateway together do not come
 * back together.
 * @param failures in a row, from 1 on @param chance from 0 to 1
 */
export function pauseMilliseconds(failures: number, chance: number): number {
  const whole = Math.min(longestMilliseconds, firstMilliseconds * 2 ** Math.min(failures - 1, 20));
  return Math.round(whole * (1 - chance / 2));
}

/** What a timer may be late by on a machine that is awake. */
const latestMilliseconds = 30_000;

/** Whether the machine has slept since the last look: what was connected then is gone, whoever does not know it yet. */
export function hasSlept(last: Date, now: Date, everyMilliseconds: number): boolean {
  return now.getTime() - last.getTime() > everyMilliseconds + latestMilliseconds;
}
