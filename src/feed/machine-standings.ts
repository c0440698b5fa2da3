/** How current an organization's machines are, and who has not acknowledged what. */
import type { MachineList, MachineStanding } from '../api/connections.ts';
import type { Tx } from '../database/database.ts';
import { type Companion, companionsOfOrganization } from '../inventory/companion.ts';
import { readStateVersion } from '../revocation/state-version.ts';

/** A machine on the feed is heard of every minute. */
const onlineMilliseconds = 90_000;
/** As long as states name an ended session. */
const rememberedMilliseconds = 7 * 86_400_000;

/** Machines that are not revoked, by name. @param tx a snapshot */
export async function machineStandings(tx: Tx, organizationId: string, now: Date): Promise<MachineList> {
  const { version } = await readStateVersion(tx);
  const companions = await companionsOfOrganization(tx, organizationId);
  const oldest = companions.reduce(
    (least, { acknowledged }) =>
      acknowledged && acknowledged.version < least ? acknowledged.version : least,
    version,
  );
  const since = new Date(now.getTime() - rememberedMilliseconds);
  const ended = await endedAfter(tx, { organizationId, version: oldest, since });
  return {
    version: `${version}`,
    companions: companions.map((companion) => standingOf(companion, { version, ended, now })),
  };
}

interface EndedSession {
  readonly version: bigint;
  readonly at: Date;
}

/** Sessions that ended after a version, in its order. */
async function endedAfter(
  tx: Tx,
  { organizationId, version, since }: { organizationId: string; version: bigint; since: Date },
): Promise<EndedSession[]> {
  const rows = await tx
    .selectFrom('login_sessions')
    .innerJoin('accounts', 'accounts.id', 'login_sessions.account_id')
    .select(['login_sessions.ended_version', 'login_sessions.ended_at'])
    .where('accounts.organization_id', '=', organizationId)
    .where('login_sessions.ended_version', '>', String(version))
    .where('login_sessions.ended_at', '>', since)
    .orderBy('login_sessions.ended_version')
    .execute();
  return rows.flatMap(({ ended_version, ended_at }) =>
    ended_version === null || ended_at === null ? [] : [{ version: BigInt(ended_version), at: ended_at }],
  );
}

interface Present {
  readonly version: bigint;
  readonly ended: readonly EndedSession[];
  readonly now: Date;
}

function standingOf(companion: Companion, present: Present): MachineStanding {
  const { name, kind, address, port, enrolledAt, lastSeenAt, acknowledged, problem } = companion;
  const { now } = present;
  return {
    name,
    kind,
    address,
    port,
    enrolled: enrolledAt !== null,
    online: lastSeenAt !== null && now.getTime() - lastSeenAt.getTime() < onlineMilliseconds,
    last_seen_at: lastSeenAt && unixSeconds(lastSeenAt),
    acknowledged_version: acknowledged && `${acknowledged.version}`,
    acknowledged_at: acknowledged && unixSeconds(acknowledged.at),
    behind: enrolledAt === null ? null : behindOf(companion, enrolledAt, present),
    problem,
    krl_excess_bytes: companion.krlExcessBytes,
  };
}

/**
 * Since the first ended session that it does not know of; where it lacks another change only, since the last one, whose
 * moment is the version (unix milliseconds).
 */
function behindOf(
  { acknowledged }: Companion,
  enrolledAt: Date,
  { version, ended, now }: Present,
): MachineStanding['behind'] {
  if (acknowledged === null) return { since: unixSeconds(enrolledAt), ended_sessions: 0 };
  if (acknowledged.version >= version) return null;
  const unknown = ended.filter((session) => session.version > acknowledged.version);
  const [first] = unknown;
  const lastChange = new Date(Math.min(Number(version), now.getTime()));
  return { since: unixSeconds(first?.at ?? lastChange), ended_sessions: unknown.length };
}

function unixSeconds(date: Date): number {
  return Math.floor(date.getTime() / 1000);
}
