import { randomInt } from 'node:crypto';
import type { SallyContext } from '../context.ts';
import { ensureCertificate } from '../ensure-certificate.ts';

const leastMilliseconds = 40_000;
const mostMilliseconds = 80_000;

/**
 * Renews the certificate that plain ssh uses ahead of time, as the timer does: it looks every minute or so, so that a
 * machine that wakes up, or whose clock was set, has a new one soon. Resolves when the agent stops.
 */
export async function keepFresh(context: () => SallyContext, stopped: AbortSignal): Promise<void> {
  const { wait } = context();
  const stop = new Promise<void>((resolve) => stopped.addEventListener('abort', () => resolve()));
  while (!stopped.aborted) {
    await Promise.race([wait(randomInt(leastMilliseconds, mostMilliseconds)), stop]);
    if (stopped.aborted) return;
    const { debug } = context();
    await ensureCertificate(context()).then(
      ({ kind }) => debug.say(`agent: the certificate of ssh: ${kind}`),
      (error) => debug.say(`agent: the certificate of ssh: ${error}`),
    );
  }
}
