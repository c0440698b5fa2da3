/**
 * Guessing at user codes (RFC 8628 section 5.1): of 20^8 codes, five tries for an address and for a browser in ten
 * minutes, a few more for the network that the address is in, and a ceiling for everybody together. One network alone
 * does not reach that ceiling, so nobody with a home's IPv6 addresses can shut out everybody else. Right codes are not counted. A try is counted before its code is looked
 * up, so that many at once are no more than one after the other.
 */
import { recordEvent } from '../audit/record-event.ts';
import type { Database } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { allowAttempt, forgiveAttempt, type Limit } from '../limits/count-attempt.ts';
import { guesserOf, guessersNetworkOf } from '../limits/guesser-of.ts';

const windowSeconds = 600;
const perAddress: Limit = { bucket: 'user-code address', allowed: 5, windowSeconds };
const perNetwork: Limit = { bucket: 'user-code network', allowed: 20, windowSeconds };
const perBrowser: Limit = { bucket: 'user-code browser', allowed: 5, windowSeconds };
const everywhere: Limit = { bucket: 'user-code', allowed: 200, windowSeconds };

export interface Guesser {
  readonly address: string;
  /** The browser's secret. */
  readonly browser: string;
}

/**
 * What `lookUp` finds; nothing counts as a wrong try.
 * @throws too_many_attempts
 */
export async function countingWrongCodes<T>(
  db: Database,
  { address, browser }: Guesser,
  now: Date,
  lookUp: () => Promise<T | undefined>,
): Promise<T | undefined> {
  // Whoever is over a limit of their own leaves the common one to others.
  const counted = [
    [perAddress, guesserOf(address)],
    [perBrowser, browser],
    [perNetwork, guessersNetworkOf(address)],
    [everywhere, ''],
  ] as const;
  for (const [limit, key] of counted) await allowAttempt(db, limit, key, now);
  const found = await lookUp();
  if (found !== undefined) {
    for (const [limit, key] of counted) await forgiveAttempt(db, limit, key, now);
    return found;
  }
  const facts = { browser_address: address };
  await inTransaction(db, (tx) => recordEvent(tx, { event: 'device.code_guessed', facts }));
  return undefined;
}
