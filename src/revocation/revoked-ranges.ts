/** Serials that the key revocation list lists as whole ranges: all that were given before a recovery. */
import type { Database, Tx } from '../database/database.ts';
import { bumpStateVersion } from './state-version.ts';

export interface RevokedRange {
  readonly caKeyId: string;
  readonly first: bigint;
  /** Inclusive. */
  readonly last: bigint;
}

/** Ordered by key and serial. Read it in the same snapshot as the version that it goes out with. */
export async function revokedRanges(db: Database): Promise<RevokedRange[]> {
  const rows = await db
    .selectFrom('revoked_ranges')
    .select(['ca_key_id', 'first', 'last'])
    .orderBy('ca_key_id')
    .orderBy('first')
    .execute();
  return rows.map((row) => ({ caKeyId: row.ca_key_id, first: BigInt(row.first), last: BigInt(row.last) }));
}

/**
 * Revokes every serial from 1 to `last` of these keys until `until`, in place of the shorter ranges before it. The
 * caller makes `version`, a new one of the revocation list.
 */
export async function revokeSerialsUpTo(
  tx: Tx,
  last: bigint,
  { caKeyIds, version, until }: { caKeyIds: readonly string[]; version: bigint; until: Date },
): Promise<void> {
  if (caKeyIds.length === 0) return;
  await tx
    .deleteFrom('revoked_ranges')
    .where('ca_key_id', 'in', caKeyIds)
    .where('last', '<=', String(last))
    .execute();
  await tx
    .insertInto('revoked_ranges')
    .values(caKeyIds.map((ca_key_id) => ({ ca_key_id, first: 1n, last, version, until })))
    .execute();
}

/** Forgets ranges whose time is over: every certificate in them has ended long ago. Returns how many. */
export async function pruneRevokedRanges(tx: Tx, now: Date): Promise<number> {
  const { numDeletedRows } = await tx
    .deleteFrom('revoked_ranges')
    .where('until', '<=', now)
    .executeTakeFirstOrThrow();
  if (numDeletedRows > 0n) await bumpStateVersion(tx, now, { krl: true });
  return Number(numDeletedRows);
}
