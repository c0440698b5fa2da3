/**
 * What machines say that they have installed, of many at once: at every change all of them say so within a second. Each
 * is judged as if it were alone.
 */
import { sql } from 'kysely';
import type { Tx } from '../database/database.ts';
import { type GroupWork, type Outcome, Outcomes } from '../database/group-commit.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { readStateVersion, type StateVersion, unknownVersions } from '../revocation/state-version.ts';
import { noCompanion } from './companion.ts';

export interface MachineReport {
  readonly companionId: string;
  readonly installed: StateVersion;
  /** Null: it only says what it has, before it is sent anything. */
  readonly acknowledgement: {
    readonly connectionsEnded: number;
    /** null, or why the state could not be installed. */
    readonly problem: string | null;
  } | null;
}

/** Unknown: this database never gave that version. It is in the machine's row then, and is no acknowledgement. */
export type ReportStanding = 'known' | 'unknown';

type Known = ReadonlyMap<MachineReport, true>;

/** What the column holds, a 32-bit integer. */
const mostConnections = 2 ** 31 - 1;

/** Versions are unix milliseconds: more than a day ahead of the clock none can be, in no history of this database. */
const believableMilliseconds = 86_400_000n;

/** Not two of one machine. Refused are: request_malformed for what can't be; not_found. */
export async function recordReports(
  tx: Tx,
  reports: readonly MachineReport[],
  { now, mayWait }: GroupWork & { readonly now: Date },
): Promise<ReadonlyMap<MachineReport, Outcome<ReportStanding>>> {
  const outcomes = new Outcomes<MachineReport, ReportStanding>();
  const { version: current } = await readStateVersion(tx);
  const all: Known = new Map(reports.map((report) => [report, true]));
  const believable = [
    ...outcomes
      .step(all, (_, report) => {
        checkBelievable(report, current, now);
        return true;
      })
      .keys(),
  ];
  const unknown = await unknownVersions(
    tx,
    believable.map(({ installed }) => installed),
  );
  const written = believable.filter(
    ({ acknowledgement }, place) => acknowledgement !== null || unknown.has(place),
  );
  const locked = await lockRows(tx, written, mayWait);
  const acknowledged: MachineReport[] = [];
  for (const [place, report] of believable.entries()) {
    const isWritten = unknown.has(place) || report.acknowledgement !== null;
    if (!isWritten) outcomes.settle(report, { result: 'known' });
    else if (!locked.has(report.companionId))
      outcomes.settle(report, mayWait ? { error: noCompanion() } : { retry: 'alone' });
    else if (unknown.has(place)) {
      await noteAhead(tx, report, now);
      outcomes.settle(report, { result: 'unknown' });
    } else {
      acknowledged.push(report);
      outcomes.settle(report, { result: 'known' });
    }
  }
  await writeAcknowledgements(tx, acknowledged, now);
  return outcomes.settled;
}

/** @throws request_malformed */
function checkBelievable({ installed, acknowledgement }: MachineReport, current: bigint, now: Date): void {
  const { version, krlVersion } = installed;
  const clock = BigInt(now.getTime());
  if (highestOf(installed) > (current > clock ? current : clock) + believableMilliseconds) {
    throw new SallyportError('request_malformed', 'Such a version was never given out by any server.', {
      detail: `installed ${version}/${krlVersion}, current ${current}`,
    });
  }
  if (acknowledgement !== null && acknowledgement.connectionsEnded > mostConnections) {
    throw new SallyportError(
      'request_malformed',
      `No machine ends more than ${mostConnections} connections.`,
    );
  }
}

function highestOf({ version, krlVersion }: StateVersion): bigint {
  return version > krlVersion ? version : krlVersion;
}

/** Always in the same order. Whoever may not wait passes over rows that others hold. */
async function lockRows(
  tx: Tx,
  reports: readonly MachineReport[],
  mayWait: boolean,
): Promise<ReadonlySet<string>> {
  if (reports.length === 0) return new Set();
  const ids = reports.map(({ companionId }) => companionId);
  const query = tx
    .selectFrom('companions')
    .select('id')
    .where('id', '=', sql<string>`any(${ids}::uuid[])`)
    .orderBy('id')
    .forNoKeyUpdate();
  const rows = await (mayWait ? query : query.skipLocked()).execute();
  return new Set(rows.map(({ id }) => id));
}

async function noteAhead(tx: Tx, { companionId, installed }: MachineReport, now: Date): Promise<void> {
  await tx
    .updateTable('companions')
    .set({ last_seen_at: now, ahead_version: highestOf(installed) })
    .where('id', '=', companionId)
    .execute();
}

/** One that comes late never takes back a newer one, and one with a problem does not count as installed. */
async function writeAcknowledgements(tx: Tx, reports: readonly MachineReport[], now: Date): Promise<void> {
  if (reports.length === 0) return;
  const problems = reports.map(({ acknowledgement }) => acknowledgement?.problem ?? null);
  const counts = reports.map(({ acknowledgement }) => acknowledgement?.connectionsEnded ?? 0);
  await sql`
    update companions set
      last_seen_at = ${now},
      problem = case when said.problem is not null then said.problem
        when acknowledged_version > said.version then companions.problem end,
      acknowledged_version = case when counts then said.version else acknowledged_version end,
      acknowledged_krl_version = case when counts then said.krl_version else acknowledged_krl_version end,
      acknowledged_at = case when counts then ${now} else acknowledged_at end,
      connections_ended = case when counts then said.ended else connections_ended end
    from (
      select said.*, said.problem is null and coalesce(before.acknowledged_version <= said.version, true) as counts
      from unnest(
        ${reports.map(({ companionId }) => companionId)}::uuid[],
        ${reports.map(({ installed }) => String(installed.version))}::bigint[],
        ${reports.map(({ installed }) => String(installed.krlVersion))}::bigint[],
        ${counts}::int[],
        ${problems}::text[]
      ) as said (id, version, krl_version, ended, problem)
      join companions as before on before.id = said.id
    ) as said
    where companions.id = said.id
  `.execute(tx);
}
