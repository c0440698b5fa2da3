/**
 * The CA keys of this installation: which key each purpose signs with, known to the database by its public half. Every
 * replica has the same signers and finds, or at the very first start makes, the same rows.
 */
import { sql } from 'kysely';
import { recordEvent } from '../audit/record-event.ts';
import type { Database, Tx } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { bumpStateVersion } from '../revocation/state-version.ts';
import { fingerprint } from '../ssh/public-key.ts';
import { createCanary } from './canary.ts';
import type { ActiveKey, Purpose } from './issuing.ts';
import { raiseSerials } from './serials.ts';
import type { Signer } from './signer.ts';

/** Only one replica at a time starts; the number means nothing but must stay the same. */
const startLock = 0x5a11_7001;

/**
 * Finds or registers both keys, gives the user key its canary, and raises the serials.
 * @throws settings_invalid if the database knows another key as the active one
 */
export async function registerActiveKeys(
  db: Database,
  signers: Readonly<Record<Purpose, Signer>>,
  now: Date,
): Promise<Record<Purpose, ActiveKey>> {
  return await inTransaction(db, async (tx) => {
    await sql`select pg_advisory_xact_lock(${startLock})`.execute(tx);
    await raiseSerials(tx, now);
    return {
      user: await findOrRegister(tx, 'user', signers.user, now),
      host: await findOrRegister(tx, 'host', signers.host, now),
    };
  });
}

async function findOrRegister(tx: Tx, purpose: Purpose, signer: Signer, now: Date): Promise<ActiveKey> {
  const active = await tx
    .selectFrom('ca_keys')
    .select(['id', 'generation', 'public_key'])
    .where('purpose', '=', purpose)
    .where('state', '=', 'active')
    .executeTakeFirst();
  if (active === undefined) return await register(tx, purpose, signer, now);
  if (active.public_key.equals(signer.publicKey))
    return { id: active.id, generation: active.generation, signer };
  throw new SallyportError(
    'settings_invalid',
    `The ${purpose} CA key is ${fingerprint(signer.publicKey)}, but this database was set up with ` +
      `${fingerprint(active.public_key)}. Use the keys folder that belongs to the database, or the database that ` +
      'belongs to the keys: people and machines trust the key that the database knows.',
  );
}

async function register(tx: Tx, purpose: Purpose, signer: Signer, now: Date): Promise<ActiveKey> {
  const generation = 1;
  const created = await tx
    .insertInto('ca_keys')
    .values({
      purpose,
      generation,
      public_key: signer.publicKey,
      state: 'active',
      canary: null,
      created_at: now,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst();
  if (created === undefined) {
    throw new SallyportError(
      'settings_invalid',
      `The ${purpose} CA key ${fingerprint(signer.publicKey)} is retired or serves another purpose. ` +
        'Every purpose needs a key of its own.',
    );
  }
  const key = { id: created.id, generation, signer };
  await recordEvent(tx, {
    event: 'ca_key.created',
    facts: { purpose, generation, fingerprint: fingerprint(signer.publicKey) },
  });
  if (purpose === 'user') await createCanary(tx, key, now);
  await bumpStateVersion(tx, now, { krl: purpose === 'user' });
  return key;
}
