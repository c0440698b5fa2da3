/** What the key revocation list lists. */
import type { Database, Tx } from '../database/database.ts';
import { bumpStateVersion } from './state-version.ts';

/** How long a revoked serial stays listed after its certificate's end. */
export const graceMilliseconds = 3_600_000;

export interface RevokedSerial {
  /** Serials mean something only together with the CA key that signed them. */
  readonly caKeyId: string;
  readonly serial: bigint;
  /** When its certificate ends. */
  readonly validBefore: Date;
  /** Number of the account whose it is; null: nobody's, as a machine's. */
  readonly account: number | null;
}

/** What tells whether serials have left the list: pruning takes those whose certificates ended first. */
export interface RevokedStock {
  readonly count: number;
  readonly firstEnd: Date | null;
}

/**
 * Ordered by serial; only what was revoked after a version, if one is given. Read it in the same snapshot as the version
 * that it goes out with.
 */
export async function revokedSerials(db: Database, afterVersion = 0n): Promise<RevokedSerial[]> {
  const rows = await db
    .selectFrom('revoked_serials')
    .select(['ca_key_id', 'serial', 'valid_before', 'account_number'])
    .where('version', '>', String(afterVersion))
    .orderBy('serial')
    .execute();
  return rows.map((row) => ({
    caKeyId: row.ca_key_id,
    serial: BigInt(row.serial),
    validBefore: row.valid_before,
    account: row.account_number,
  }));
}

export async function revokedStock(db: Database): Promise<RevokedStock> {
  const { count, first } = await db
    .selectFrom('revoked_serials')
    .select(({ fn }) => [fn.countAll().as('count'), fn.min('valid_before').as('first')])
    .executeTakeFirstOrThrow();
  return { count: Number(count), firstEnd: first };
}

/** Forgets serials whose certificates ended over an hour ago, so that the list stays small. Returns how many. */
export async function pruneRevokedSerials(tx: Tx, now: Date): Promise<number> {
  const { numDeletedRows } = await tx
    .deleteFrom('revoked_serials')
    .where('valid_before', '<=', new Date(now.getTime() - graceMilliseconds))
    .executeTakeFirstOrThrow();
  if (numDeletedRows > 0n) await bumpStateVersion(tx, now, { krl: true });
  return Number(numDeletedRows);
}
