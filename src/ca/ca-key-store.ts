/** CA keys as the database knows them: public halves, where each generation stands, and what holds the private half. */
import { sql } from 'kysely';
import type { Database, Tx } from '../database/database.ts';
import { notify } from '../database/notify.ts';
import type { Purpose } from './issuing.ts';

/** Says that a CA key is new or stands otherwise. */
export const caKeysChannel = 'sallyport_ca_keys';

/** Only one process at a time changes CA keys; the number means nothing but must stay the same. */
const changeLock = 0x5a11_7001;

/** next: trusted, signs nothing but its canary; active: signs; retiring: trusted until its last certificate is over. */
export type CaKeyState = 'next' | 'active' | 'retiring' | 'retired';

export interface CaKeyRecord {
  readonly id: string;
  readonly purpose: Purpose;
  readonly generation: number;
  readonly state: CaKeyState;
  /** SSH public key blob. */
  readonly publicKey: Buffer;
  /** URI of what holds the private half. */
  readonly signer: string;
  /** Signed blob of the certificate that every KRL revokes; null for host CAs, whose certificates no KRL lists. */
  readonly canary: Buffer | null;
  /** Companions that have acknowledged this version of their state know that the key stands so. */
  readonly stateVersion: bigint;
  readonly createdAt: Date;
  readonly activatedAt: Date | null;
  readonly retiringAt: Date | null;
  readonly retiredAt: Date | null;
  readonly compromisedAt: Date | null;
}

/** Every generation that ever was, by purpose and generation. */
export async function readCaKeys(db: Database): Promise<CaKeyRecord[]> {
  const rows = await db.selectFrom('ca_keys').selectAll().orderBy('purpose').orderBy('generation').execute();
  return rows.map((row) => ({
    id: row.id,
    purpose: row.purpose,
    generation: row.generation,
    state: row.state,
    publicKey: row.public_key,
    signer: row.signer,
    canary: row.canary,
    stateVersion: BigInt(row.state_version),
    createdAt: row.created_at,
    activatedAt: row.activated_at,
    retiringAt: row.retiring_at,
    retiredAt: row.retired_at,
    compromisedAt: row.compromised_at,
  }));
}

/** Whoever changes CA keys holds this until the end of the transaction, so that what was read stays true. */
export async function lockCaKeys(tx: Tx): Promise<void> {
  await sql`select pg_advisory_xact_lock(${changeLock})`.execute(tx);
}

/**
 * Waits for whoever is storing a certificate of this key, and lets nobody store another before the end of the
 * transaction: their foreign key holds the row too.
 */
export async function lockCaKeyRow(tx: Tx, id: string): Promise<void> {
  await tx.selectFrom('ca_keys').select('id').where('id', '=', id).forUpdate().execute();
}

/** When the last certificate that a key has signed is over; null if there is none. Canaries were over before. */
export async function lastExpiry(db: Database, caKeyId: string): Promise<Date | null> {
  const { last } = await db
    .selectFrom('certificates')
    .select(({ fn }) => fn.max('valid_before').as('last'))
    .where('ca_key_id', '=', caKeyId)
    .where('kind', '<>', 'canary')
    .executeTakeFirstOrThrow();
  return last;
}

export interface NewCaKey {
  readonly purpose: Purpose;
  readonly generation: number;
  readonly state: 'next' | 'active';
  readonly publicKey: Buffer;
  readonly signer: string;
}

/** Returns its id; undefined if the database knows this public key already. */
export async function insertCaKey(tx: Tx, key: NewCaKey, now: Date): Promise<string | undefined> {
  const row = await tx
    .insertInto('ca_keys')
    .values({
      purpose: key.purpose,
      generation: key.generation,
      public_key: key.publicKey,
      signer: key.signer,
      state: key.state,
      canary: null,
      created_at: now,
      activated_at: key.state === 'active' ? now : null,
    })
    .onConflict((conflict) => conflict.column('public_key').doNothing())
    .returning('id')
    .executeTakeFirst();
  return row?.id;
}

/** What changes when a key comes to stand otherwise. */
export interface CaKeyMove {
  readonly state?: CaKeyState;
  readonly activatedAt?: Date;
  readonly retiringAt?: Date;
  readonly retiredAt?: Date;
  readonly compromisedAt?: Date;
  /** The version of companions' state that tells of it. */
  readonly stateVersion: bigint;
}

export async function moveCaKey(tx: Tx, id: string, move: CaKeyMove): Promise<void> {
  await tx
    .updateTable('ca_keys')
    .set({
      state_version: move.stateVersion,
      ...(move.state && { state: move.state }),
      ...(move.activatedAt && { activated_at: move.activatedAt }),
      ...(move.retiringAt && { retiring_at: move.retiringAt }),
      ...(move.retiredAt && { retired_at: move.retiredAt }),
      ...(move.compromisedAt && { compromised_at: move.compromisedAt }),
    })
    .where('id', '=', id)
    .execute();
}

/** Tells every server process, when the transaction commits, to read the keys again. */
export async function announceCaKeys(tx: Tx): Promise<void> {
  await notify(tx, caKeysChannel, '');
}
