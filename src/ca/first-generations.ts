/**
 * The first generation of each CA key: made when the first server starts, or by `sallyport ca init`, and found by
 * everybody after. It signs from the moment it exists, as nobody relies on an earlier one.
 */
import { sql } from 'kysely';
import { recordEvent } from '../audit/record-event.ts';
import type { Database, Tx } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { bumpStateVersion } from '../revocation/state-version.ts';
import { fingerprint } from '../ssh/public-key.ts';
import { acceptDatabase } from './accept-database.ts';
import { insertCaKey, readCaKeys } from './ca-key-store.ts';
import { createCanary } from './canary.ts';
import { type Purpose, purposes } from './issuing.ts';
import type { OpenSigner, Signer } from './signer.ts';

/** Only one replica at a time starts; the number means nothing but must stay the same. */
const startLock = 0x5a11_7001;

/** Opens the signer that a URI names. @throws settings_invalid, file_refused, signer_failed */
export type SignerOpener = (uri: string) => Promise<OpenSigner>;

export type FirstSigners = Readonly<Record<Purpose, string>>;

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
    for (const purpose of missing) signers.set(purpose, await openSigner(firstSigners[purpose]));
    return await inTransaction(db, async (tx) => {
      await sql`select pg_advisory_xact_lock(${startLock})`.execute(tx);
      await acceptDatabase(tx, now);
      const stillMissing = await purposesWithout(tx);
      const made: Purpose[] = [];
      for (const [purpose, signer] of signers) {
        if (!stillMissing.includes(purpose)) continue;
        await register(tx, { purpose, uri: firstSigners[purpose], signer }, now);
        made.push(purpose);
      }
      return made;
    });
  } finally {
    for (const signer of signers.values()) await signer.close();
  }
}

async function purposesWithout(db: Database): Promise<Purpose[]> {
  const known = await readCaKeys(db);
  return purposes.filter((purpose) => known.every((key) => key.purpose !== purpose));
}

async function register(
  tx: Tx,
  { purpose, uri, signer }: { purpose: Purpose; uri: string; signer: Signer },
  now: Date,
): Promise<void> {
  const { publicKey } = signer;
  const generation = 1;
  const id = await insertCaKey(tx, { purpose, generation, state: 'active', publicKey, signer: uri }, now);
  if (id === undefined) {
    throw new SallyportError(
      'settings_invalid',
      `The ${purpose} CA key ${fingerprint(publicKey)} is retired or serves another purpose. ` +
        'Every purpose needs a key of its own.',
    );
  }
  await recordEvent(tx, {
    event: 'ca_key.created',
    facts: { purpose, generation, fingerprint: fingerprint(publicKey) },
  });
  if (purpose !== 'host') await createCanary(tx, { id, purpose, generation, publicKey, signer }, now);
  await bumpStateVersion(tx, now, { krl: purpose !== 'host' });
}
