/** CA keys as the database knows them: public halves, where each generation stands, and what holds the private half. */
import type { Database, Tx } from '../database/database.ts';
import type { Purpose } from './issuing.ts';

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
