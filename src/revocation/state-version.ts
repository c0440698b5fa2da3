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

/** The same of many: the places in the list of those that this database never gave. */
export async function unknownVersions(
  db: Database,
  versions: readonly StateVersion[],
): Promise<ReadonlySet<number>> {
  if (versions.length === 0) return new Set();
  const { rows } = await sql<{ place: number }>`
    select (place - 1)::int as place
    from unnest(
      ${versions.map(({ version }) => String(version))}::bigint[],
      ${versions.map(({ krlVersion }) => String(krlVersion))}::bigint[]
    ) with ordinality as asked (version, krl_version, place), state_version
    where asked.version > state_version.version or asked.krl_version > state_version.krl_version or exists (
      select from state_version_gaps as gap
      where gap.after < asked.version and asked.version < gap.before
        or gap.after < asked.krl_version and asked.krl_version < gap.before
    )
  `.execute(db);
  return new Set(rows.map(({ place }) => place));
}

/**
 * Whether this database never gave such a version: it is higher than the present one, or of the time just before
 * Postgres was started, when what was written last may have been lost. Each is compared with what it is a version of.
 */
export async function isUnknownVersion(db: Database, version: StateVersion): Promise<boolean> {
  return (await unknownVersions(db, [version])).has(0);
}

/** After a recovery companions may have what is lost; it is known by then. */
export async function forgetVersionGaps(tx: Tx): Promise<void> {
  await tx.deleteFrom('state_version_gaps').execute();
}
