import { randomInt } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { SallyContext } from '../context.ts';
import { ensureCertificate } from '../ensure-certificate.ts';

const leastMilliseconds = 40_000;
const mostMilliseconds = 80_000;

/**
 * Renews the certificate that plain ssh uses ahead of time, as the timer does: it looks every minute or so, so that a
 * machine that wakes up, or whose clock was set, has a new one soon. Resolves when the agent stops.
 */
export async function keepFresh(context: () => SallyContext, stopped: AbortSignal): Promise<void> {
  while (!stopped.aborted) {
    const pause = randomInt(leastMilliseconds, mostMilliseconds);
    await wait(pause, undefined, { signal: stopped }).catch(() => {});
    if (stopped.aborted) return;
    const { debug } = context();
    await ensureCertificate(context()).then(
      ({ kind }) => debug.say(`agent: the certificate of ssh: ${kind}`),
      (error) => debug.say(`agent: the certificate of ssh: ${error}`),
    );
  }
}
