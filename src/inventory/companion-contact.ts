/** What companions tell of themselves. None of it is in any companion's state, so nothing here makes a new version. */
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { readStateVersion } from '../revocation/state-version.ts';
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

/**
 * Notes what a companion has installed. A problem is noted without counting as installed, and a report that arrives
 * late never takes back a newer one.
 * @throws request_malformed for a version that was never given out, or too many connections; not_found
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
  const current = await readStateVersion(tx);
  if (version > current.version || krlVersion > current.krlVersion) {
    throw new SallyportError(
      'request_malformed',
      'The acknowledged version was never given out by this server.',
      {
        detail: `acknowledged ${version}/${krlVersion}, current ${current.version}/${current.krlVersion}`,
      },
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
