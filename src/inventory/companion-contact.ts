/** What companions tell of themselves. None of it is in any companion's state, so nothing here makes a new version. */
import { sql } from 'kysely';
import type { Database, Tx } from '../database/database.ts';
import type { StateVersion } from '../revocation/state-version.ts';
import { noCompanion } from './companion.ts';
import { type MachineReport, recordReports } from './record-reports.ts';

export async function touchCompanion(tx: Tx, companionId: string, now: Date): Promise<void> {
  await tx.updateTable('companions').set({ last_seen_at: now }).where('id', '=', companionId).execute();
}

/** What was written of a machine so lately need not be written again. */
const fineMilliseconds = 20_000;

/** The same of many. Nobody waits for it: a row that somebody else writes just now is seen by that. */
export async function touchCompanions(
  db: Database,
  companionIds: readonly string[],
  now: Date,
): Promise<void> {
  await db
    .updateTable('companions')
    .set({ last_seen_at: now })
    .where('id', 'in', (where) =>
      where
        .selectFrom('companions as seen')
        .select('seen.id')
        .where('seen.id', '=', sql<string>`any(${[...companionIds]}::uuid[])`)
        .where((older) =>
          older.or([
            older('seen.last_seen_at', 'is', null),
            older('seen.last_seen_at', '<', new Date(now.getTime() - fineMilliseconds)),
          ]),
        )
        .orderBy('seen.id')
        .forNoKeyUpdate()
        .skipLocked(),
    )
    .execute();
}

/** What a machine's revocation list has over its budget; null: nothing. */
export async function recordKrlExcess(
  db: Database,
  companionId: string,
  excessBytes: number | null,
): Promise<void> {
  await db
    .updateTable('companions')
    .set({ krl_excess_bytes: excessBytes })
    .where('id', '=', companionId)
    .execute();
}

/**
 * Whether a machine has a state that this database never gave. It is noted in the machine's row then, and no certificate
 * is issued until `sallyport recover`, or until the machine is revoked: one that lies can do no more than that.
 * @throws request_malformed for a version that can't be; not_found
 */
export async function noteInstalled(
  tx: Tx,
  companionId: string,
  installed: StateVersion,
  now: Date,
): Promise<'known' | 'unknown'> {
  return await recordOne(tx, { companionId, installed, acknowledgement: null }, now);
}

export interface ReportedAcknowledgement {
  readonly version: bigint;
  readonly krlVersion: bigint;
  readonly connectionsEnded: number;
  /** null, or why the state could not be installed. */
  readonly problem: string | null;
}

/**
 * Notes what a companion has installed. A problem is noted without counting as installed, and a report that arrives late
 * never takes back a newer one.
 * @throws request_malformed for too many connections; not_found
 */
export async function recordAcknowledgement(
  tx: Tx,
  companionId: string,
  { version, krlVersion, connectionsEnded, problem }: ReportedAcknowledgement,
  now: Date,
): Promise<void> {
  const installed = { version, krlVersion };
  await recordOne(tx, { companionId, installed, acknowledgement: { connectionsEnded, problem } }, now);
}

async function recordOne(tx: Tx, report: MachineReport, now: Date): Promise<'known' | 'unknown'> {
  const outcome = (await recordReports(tx, [report], { now, mayWait: true })).get(report);
  if (outcome && 'result' in outcome) return outcome.result;
  throw outcome && 'error' in outcome ? outcome.error : noCompanion();
}

/** The highest version that any machine has and this database never gave; zero if there is none. */
export async function highestAhead(db: Database): Promise<bigint> {
  const { highest } = await db
    .selectFrom('companions')
    .select((row) => row.fn.max('ahead_version').as('highest'))
    .executeTakeFirstOrThrow();
  return BigInt(highest ?? 0);
}

/** What the machines have is known now, and the next version is higher. */
export async function forgetAhead(tx: Tx): Promise<void> {
  await tx
    .updateTable('companions')
    .set({ ahead_version: null })
    .where('ahead_version', 'is not', null)
    .execute();
}
