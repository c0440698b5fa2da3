/** What companions tell of themselves. None of it is in any companion's state, so nothing here makes a new version. */
import type { Database, Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { isUnknownVersion, readStateVersion, type StateVersion } from '../revocation/state-version.ts';
import { noCompanion } from './companion.ts';

export async function touchCompanion(tx: Tx, companionId: string, now: Date): Promise<void> {
  await tx.updateTable('companions').set({ last_seen_at: now }).where('id', '=', companionId).execute();
}

export interface ReportedAcknowledgement {
  readonly version: bigint;
  readonly krlVersion: bigint;
  readonly connectionsEnded: number;
  /** null, or why the state could not be installed. */
  readonly problem: string | null;
}

/** What the column holds, a 32-bit integer. */
const mostConnections = 2 ** 31 - 1;

/** Versions are unix milliseconds: more than a day ahead of the clock none can be, in no history of this database. */
const believableMilliseconds = 86_400_000n;

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
  const { version, krlVersion } = installed;
  const highest = version > krlVersion ? version : krlVersion;
  const { version: current } = await readStateVersion(tx);
  const clock = BigInt(now.getTime());
  if (highest > (current > clock ? current : clock) + believableMilliseconds) {
    throw new SallyportError('request_malformed', 'Such a version was never given out by any server.', {
      detail: `installed ${version}/${krlVersion}, current ${current}`,
    });
  }
  if (!(await isUnknownVersion(tx, installed))) return 'known';
  const { numUpdatedRows } = await tx
    .updateTable('companions')
    .set({ last_seen_at: now, ahead_version: highest })
    .where('id', '=', companionId)
    .executeTakeFirstOrThrow();
  if (numUpdatedRows === 0n) throw noCompanion();
  return 'unknown';
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

/**
 * Notes what a companion has installed, a version that noteInstalled() knows. A problem is noted without counting as
 * installed, and a report that arrives late never takes back a newer one.
 * @throws request_malformed for too many connections; not_found
 */
export async function recordAcknowledgement(
  tx: Tx,
  companionId: string,
  { version, krlVersion, connectionsEnded, problem }: ReportedAcknowledgement,
  now: Date,
): Promise<void> {
  if (connectionsEnded > mostConnections) {
    throw new SallyportError(
      'request_malformed',
      `No machine ends more than ${mostConnections} connections.`,
    );
  }
  const row = await tx
    .selectFrom('companions')
    .select('acknowledged_version')
    .where('id', '=', companionId)
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (row === undefined) throw noCompanion();
  const late = row.acknowledged_version !== null && BigInt(row.acknowledged_version) > version;
  const installed = {
    acknowledged_version: version,
    acknowledged_krl_version: krlVersion,
    acknowledged_at: now,
    connections_ended: connectionsEnded,
    problem: null,
  };
  await tx
    .updateTable('companions')
    .set({ last_seen_at: now, ...(problem !== null ? { problem } : late ? {} : installed) })
    .where('id', '=', companionId)
    .execute();
}
