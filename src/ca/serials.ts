/**
 * Serials come from one database sequence, so no two replicas give the same one. A database that was restored from a
 * backup, or a standby that lagged, has forgotten the last serials it gave. So at every start of a server, at every
 * start of Postgres, and at each recovery the sequence is raised to a number that grows faster than certificates are
 * issued: unix seconds times 2^20, a million a second.
 *
 * That is enough for one history after the other. Two at once, an old primary that goes on beside the promoted standby,
 * could be raised within the same second to the same number; therefore each recovery also adds a year or two, at random,
 * to the time that the recovered database begins at. The old one would need that long to come near. A 64-bit column has
 * room for some hundred thousand years of it.
 */
import { randomInt } from 'node:crypto';
import { sql } from 'kysely';
import type { Tx } from '../database/database.ts';
import { bumpStateVersion } from '../revocation/state-version.ts';
import { isAcceptedAndRunning, readStanding } from './database-identity.ts';
import { requireUnchanged } from './issuing-allowed.ts';

const perSecond = 2n ** 20n;
/** About 1.06 years. */
const recoverySeconds = 2 ** 25;

/** Where serials begin at `now`, at least. */
export function serialFloor(now: Date, offsetSeconds: bigint): bigint {
  return (BigInt(Math.floor(now.getTime() / 1000)) + offsetSeconds) * perSecond;
}

/** The offset of a recovered database: past everything that another copy of the old one can reach within a year. */
export function nextSerialOffset(offsetSeconds: bigint): bigint {
  return offsetSeconds + BigInt(recoverySeconds + randomInt(recoverySeconds));
}

/** Never lowers the sequence. The caller holds the row of the database's identity, so that two do not both raise it. */
export async function raiseSerials(tx: Tx, floor: bigint): Promise<void> {
  await sql`
    select setval('certificate_serials', ${floor}::bigint, false)
    from certificate_serials
    where last_value < ${floor}::bigint
  `.execute(tx);
}

/** The highest serial that may have been given. */
export async function lastSerial(tx: Tx): Promise<bigint> {
  const { rows } = await sql<{ last_value: string }>`select last_value from certificate_serials`.execute(tx);
  return BigInt(rows[0]?.last_value ?? 0);
}

/**
 * A serial that no certificate has had; a rolled-back transaction uses it up. The same statement asks whether the
 * database is still the one that was accepted, so nothing is ever issued without that question.
 * @throws recovery_needed, database_unavailable
 */
export async function nextSerial(tx: Tx, now: Date): Promise<bigint> {
  const [serial = 0n] = await nextSerials(tx, 1, now);
  return serial;
}

/** As many serials as that, in one statement; for none it asks all the same. @throws as nextSerial() */
export async function nextSerials(tx: Tx, count: number, now: Date): Promise<bigint[]> {
  const drawn = count > 0 ? await drawSerials(tx, count) : undefined;
  if (drawn?.isAccepted === true) return drawn.serials;
  // Used up: they may have been given before.
  requireUnchanged(await readStanding(tx));
  if (count === 0) return [];
  await acceptRestart(tx, now);
  const { serials } = await drawSerials(tx, count);
  return serials;
}

async function drawSerials(tx: Tx, count: number): Promise<{ serials: bigint[]; isAccepted: boolean }> {
  // As text all the way: a JavaScript number ends at 2^53.
  const { rows } = await sql<{ serial: string; is_accepted: boolean | null }>`
    select nextval('certificate_serials')::text as serial, ${isAcceptedAndRunning} as is_accepted
    from generate_series(1, ${count}::integer)
  `.execute(tx);
  return { serials: rows.map(({ serial }) => BigInt(serial)), isAccepted: rows[0]?.is_accepted === true };
}

/**
 * Postgres was started again, as the same database: serials and versions begin past what it may have lost. Several may
 * come at once; the row's lock lets one work and shows the others that it is done.
 */
export async function acceptRestart(tx: Tx, now: Date): Promise<void> {
  const { rows } = await sql<{ serial_offset_seconds: string }>`
    update database_identity
    set postmaster_started_at = pg_postmaster_start_time(), written_by = pg_current_xact_id()
    where postmaster_started_at <> pg_postmaster_start_time()
    returning serial_offset_seconds
  `.execute(tx);
  if (rows[0] === undefined) return;
  await raiseSerials(tx, serialFloor(now, BigInt(rows[0].serial_offset_seconds)));
  // Not the revocation list's: if this is a disk snapshot that was put back, companions keep their newer list and say so.
  await bumpStateVersion(tx, now, { krl: false });
}
