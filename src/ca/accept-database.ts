import { sql } from 'kysely';
import type { Tx } from '../database/database.ts';
import { type DatabaseIdentity, readStanding } from './database-identity.ts';
import { acceptRestart, raiseSerials, serialFloor } from './serials.ts';

/**
 * What every start of a server does with the database, under the lock of a start: raises the serials, accepts the
 * database if there was none before it, and notes that Postgres was started again. A database that changed is not
 * accepted: that is for `sallyport recover`.
 * @throws settings_invalid if the role may not ask which Postgres this is; database_unavailable
 */
export async function acceptDatabase(tx: Tx, now: Date): Promise<void> {
  // As everybody does who raises serials: of two at once, the second finds them raised, and none is given again.
  await lockIdentity(tx);
  const { accepted, present, changes, serialOffsetSeconds } = await readStanding(tx);
  await raiseSerials(tx, serialFloor(now, serialOffsetSeconds));
  if (accepted === undefined) await writeIdentity(tx, present, { serialOffsetSeconds, now });
  else if (changes.length === 0) await acceptRestart(tx, now);
}

/** Holds the row that whoever accepts a start or a recovery writes. */
export async function lockIdentity(tx: Tx): Promise<void> {
  await tx.selectFrom('database_identity').select('id').forUpdate().execute();
}

/** From the commit on, this is the database that Sallyport works with. */
export async function writeIdentity(
  tx: Tx,
  { systemIdentifier, timeline, databaseOid }: DatabaseIdentity,
  { serialOffsetSeconds, now }: { serialOffsetSeconds: bigint; now: Date },
): Promise<void> {
  const row = {
    system_identifier: systemIdentifier,
    timeline: `${timeline}`,
    database_oid: `${databaseOid}`,
    postmaster_started_at: sql<Date>`pg_postmaster_start_time()`,
    written_by: sql<string>`pg_current_xact_id()`,
    serial_offset_seconds: serialOffsetSeconds,
    accepted_at: now,
  };
  await tx
    .insertInto('database_identity')
    .values(row)
    .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
    .execute();
}
