/** Waits until a companion has something to answer with, and says why not if that takes too long. */
import { setTimeout as wait } from 'node:timers/promises';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { Companion } from './companion.ts';

/** @throws install_failed */
export async function waitForFirstState(companion: Companion, patienceMilliseconds: number): Promise<void> {
  const patience = new AbortController();
  const tooLate = wait(patienceMilliseconds, false, { signal: patience.signal }).catch(() => false);
  const isReady = await Promise.race([companion.ready.then(() => true), tooLate]);
  patience.abort();
  if (isReady) return;
  const { problem } = companion.status();
  throw new SallyportError(
    'install_failed',
    `The CA sent nothing that could be installed. ${problem ?? 'Is it reachable from here?'}`,
  );
}
