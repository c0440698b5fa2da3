/** The one version of everything that companions are sent. It only grows, on every replica and after a restore. */
import { sql } from 'kysely';
import type { Database, Tx } from '../database/database.ts';
import { notify, stateChannel } from '../database/notify.ts';

export interface StateVersion {
  readonly version: bigint;
  /** The version at which the revocation list last changed. */
  readonly krlVersion: bigint;
}

/**
 * Makes the next version, at least the unix milliseconds of `now` so that a restored backup does not fall behind its
 * companions, and tells listeners when the transaction commits. The row is locked until then, so versions become
 * visible in order; call it late in the transaction.
 */
export async function bumpStateVersion(tx: Tx, now: Date, { krl }: { krl: boolean }): Promise<bigint> {
  const next = sql<bigint>`greatest(version + 1, ${now.getTime()}::bigint)`;
  const row = await tx
    .updateTable('state_version')
    .set({ version: next, ...(krl ? { krl_version: next } : {}) })
    .returning('version')
    .executeTakeFirstOrThrow();
  await notify(tx, stateChannel, row.version);
  return BigInt(row.version);
}

export async function readStateVersion(db: Database): Promise<StateVersion> {
  const row = await db
    .selectFrom('state_version')
    .select(['version', 'krl_version'])
    .executeTakeFirstOrThrow();
  return { version: BigInt(row.version), krlVersion: BigInt(row.krl_version) };
}
