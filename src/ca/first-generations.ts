/**
 * The first generation of each CA key: made when the first server starts, or by `sallyport ca init`, and found by
 * everybody after. It signs from the moment it exists, as nobody relies on an earlier one.
 */
import type { Database } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { acceptDatabase } from './accept-database.ts';
import { lockCaKeys, readCaKeys } from './ca-key-store.ts';
import { signCanary } from './canary.ts';
import { type Purpose, purposes } from './issuing.ts';
import type { FirstSigners } from './key-files.ts';
import { proveSigner, type Registration, registerCaKey, type SignerOpener } from './register-ca-key.ts';
import type { OpenSigner } from './signer.ts';

/**
 * Registers the first generation of every purpose that has none, each with its canary, and raises the serials.
 * Returns the purposes that it made one for.
 * @throws settings_invalid if a key serves another purpose already; signer_failed and what `openSigner` throws
 */
export async function registerFirstGenerations(
  db: Database,
  { openSigner, firstSigners }: { openSigner: SignerOpener; firstSigners: FirstSigners },
  now: Date,
): Promise<Purpose[]> {
  // Opened outside the transaction: a signer may be far away, and a hung one must not hold the lock.
  const missing = await purposesWithout(db);
  const signers = new Map<Purpose, OpenSigner>();
  try {
    for (const purpose of missing) {
      const signer = await openSigner(firstSigners[purpose]).catch((error) => {
        throw withAdvice(error, purpose);
      });
      signers.set(purpose, signer);
      await proveSigner(signer);
    }
    await inTransaction(db, async (tx) => {
      await lockCaKeys(tx);
      await acceptDatabase(tx, now);
    });
    const firsts: Registration[] = [];
    for (const [purpose, signer] of signers) {
      const first = { purpose, generation: 1, state: 'active', by: 'first start' } as const;
      const canary = await signCanary(db, { ...first, signer }, now);
      firsts.push({ ...first, publicKey: signer.publicKey, uri: firstSigners[purpose], canary });
    }
    return await inTransaction(db, async (tx) => {
      await lockCaKeys(tx);
      const stillMissing = await purposesWithout(tx);
      const made = firsts.filter(({ purpose }) => stillMissing.includes(purpose));
      for (const first of made) await registerCaKey(tx, first, now);
      return made.map(({ purpose }) => purpose);
    });
  } finally {
    for (const signer of signers.values()) await signer.close();
  }
}

async function purposesWithout(db: Database): Promise<Purpose[]> {
  const known = await readCaKeys(db);
  return purposes.filter((purpose) => known.every((key) => key.purpose !== purpose));
}

/** An installation from before there was this CA has no key of it yet. */
function withAdvice(error: unknown, purpose: Purpose): unknown {
  if (!isSallyportError(error) || error.code !== 'settings_invalid') return error;
  return new SallyportError(
    'settings_invalid',
    `${error.message} The database has no ${purpose} CA key yet; make what is missing with: sallyport ca init`,
    { cause: error },
  );
}
