/** What the key revocation list lists. */
import type { Database, Tx } from '../database/database.ts';
import { bumpStateVersion } from './state-version.ts';

/** How long a revoked serial stays listed after its certificate's end. */
export const graceMilliseconds = 3_600_000;

export interface RevokedSerial {
  /** Serials mean something only together with the CA key that signed them. */
  readonly caKeyId: string;
  readonly serial: bigint;
}

/** Ordered by serial. Read it in the same snapshot as the version that it goes out with. */
export async function revokedSerials(db: Database): Promise<RevokedSerial[]> {
  const rows = await db
    .selectFrom('revoked_serials')
    .select(['ca_key_id', 'serial'])
    .orderBy('serial')
    .execute();
  return rows.map((row) => ({ caKeyId: row.ca_key_id, serial: BigInt(row.serial) }));
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
