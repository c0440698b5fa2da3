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
 * visible in order; call it late in the transaction. The first one after a start of Postgres notes which versions it
 * left out: isUnknownVersion() tells by them who has heard of a history that is lost.
 */
export async function bumpStateVersion(
  tx: Tx,
  now: Date,
  { krl, atLeast = 0n }: { krl: boolean; atLeast?: bigint },
): Promise<bigint> {
  const next = sql<bigint>`greatest(version + 1, ${now.getTime()}::bigint, ${atLeast}::bigint)`;
  const row = await tx
    .updateTable('state_version')
    .set({
      version: next,
      ...(krl ? { krl_version: next } : {}),
      postmaster_started_at: sql<Date>`pg_postmaster_start_time()`,
      restarted_from: sql<string>`case when postmaster_started_at <> pg_postmaster_start_time() then version end`,
    })
    .returning(['version', 'restarted_from'])
    .executeTakeFirstOrThrow();
  if (row.restarted_from !== null) {
    const gap = { after: row.restarted_from, before: row.version };
    await tx.insertInto('state_version_gaps').values(gap).execute();
  }
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

/**
 * Whether this database never gave such a version: it is higher than the present one, or of the time just before
 * Postgres was started, when what was written last may have been lost. Each is compared with what it is a version of.
 */
export async function isUnknownVersion(
  db: Database,
  { version, krlVersion }: StateVersion,
): Promise<boolean> {
  const { rows } = await sql<{ unknown: boolean }>`
    select ${version}::bigint > version or ${krlVersion}::bigint > krl_version or exists (
      select from state_version_gaps as gap
      where gap.after < ${version}::bigint and ${version}::bigint < gap.before
        or gap.after < ${krlVersion}::bigint and ${krlVersion}::bigint < gap.before
    ) as unknown
    from state_version
  `.execute(db);
  return rows[0]?.unknown === true;
}

/** After a recovery companions may have what is lost; it is known by then. */
export async function forgetVersionGaps(tx: Tx): Promise<void> {
  await tx.deleteFrom('state_version_gaps').execute();
}
