/** Instances of one app by the thousand: one statement for all that come, one for all that change. */
import { sql } from 'kysely';
import type { MembersOf } from '../api/inventory-members.ts';
import type { Tx } from '../database/database.ts';
import { violatedConstraint } from '../database/violated-constraint.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { machineIds } from './find-place.ts';
import { mostTargetsOfHost, requireTargetName, targetNameTaken } from './instance.ts';

type Members = MembersOf<'instance'>;

export interface InstanceOfApp {
  /** null: the app's only one. */
  readonly slug: string | null;
  readonly members: Members;
}

export interface InstanceWrite {
  readonly organizationId: string;
  readonly appId: string;
  /** `<project>-<environment>--<app>` */
  readonly appName: string;
  readonly reportedBy: 'admin' | 'companion' | 'orchestrator';
  readonly now: Date;
}

/** Of many rows at once (jsonb_to_recordset). */
const recordColumns = sql`
  slug text, target_name text, address text, port integer, login text, host_id uuid, state text, kind text, role text,
  labels jsonb`;

/** @throws name_refused, name_taken, not_found for a host; request_malformed if a host would be full */
export async function insertInstances(
  tx: Tx,
  write: InstanceWrite,
  instances: readonly InstanceOfApp[],
): Promise<void> {
  if (instances.length === 0) return;
  const records = await recordsOf(tx, write, instances);
  await refuseTaken(
    tx,
    records.map(({ target_name }) => target_name),
  );
  await sql`
    insert into instances (
      app_id, slug, target_name, address, port, login, host_id, state, kind, role, labels, reported_by, reported_at
    )
    select ${write.appId}::uuid, slug, target_name, address, port, login, host_id, state, kind, role, labels,
      ${write.reportedBy}::text, ${reportedAt(write)}::timestamptz
    from jsonb_to_recordset(${JSON.stringify(records)}::jsonb) as given (${recordColumns})
    order by target_name
  `
    .execute(tx)
    .catch((error) => {
      if (violatedConstraint(error) !== 'instances_target_name_key') throw error;
      throw targetNameTaken('one of them', error);
    });
  await refuseFullHosts(tx, records);
}

/** All members of instances that there are. @throws not_found for a host; request_malformed if one would be full */
export async function updateInstances(
  tx: Tx,
  write: InstanceWrite,
  instances: readonly InstanceOfApp[],
): Promise<void> {
  if (instances.length === 0) return;
  const records = await recordsOf(tx, write, instances);
  await sql`
    update instances set
      address = given.address, port = given.port, login = given.login, host_id = given.host_id, state = given.state,
      kind = given.kind, role = given.role, labels = given.labels,
      reported_by = ${write.reportedBy}::text, reported_at = ${reportedAt(write)}::timestamptz
    from jsonb_to_recordset(${JSON.stringify(records)}::jsonb) as given (${recordColumns})
    where instances.app_id = ${write.appId}::uuid and instances.slug is not distinct from given.slug
  `.execute(tx);
  await refuseFullHosts(tx, records);
}

function reportedAt({ reportedBy, now }: InstanceWrite): Date | null {
  return reportedBy === 'admin' ? null : now;
}

async function recordsOf(
  tx: Tx,
  { organizationId, appName }: InstanceWrite,
  instances: readonly InstanceOfApp[],
) {
  const hostNames = instances.flatMap(({ members: { host } }) => (host === null ? [] : [host]));
  const hosts = await machineIds(tx, organizationId, 'host', hostNames);
  return instances.map(({ slug, members: { host, ...members } }) => ({
    slug,
    target_name: requireTargetName(appName, slug),
    ...members,
    host_id: host === null ? null : (hosts.get(host) ?? null),
  }));
}

async function refuseTaken(tx: Tx, names: readonly string[]): Promise<void> {
  const taken = await tx
    .selectFrom('instances')
    .select('target_name')
    .where('target_name', '=', sql<string>`any(${[...names]}::text[])`)
    .orderBy('target_name')
    .limit(1)
    .executeTakeFirst();
  if (taken !== undefined) throw targetNameTaken(taken.target_name);
}

/** Locks the hosts, so that two writes that come at once are counted one after the other. */
async function refuseFullHosts(
  tx: Tx,
  records: readonly { readonly host_id: string | null }[],
): Promise<void> {
  const ids = [...new Set(records.flatMap(({ host_id }) => (host_id === null ? [] : [host_id])))];
  if (ids.length === 0) return;
  const ours = sql<string>`any(${ids}::uuid[])`;
  await tx
    .selectFrom('companions')
    .select('id')
    .where('id', '=', ours)
    .orderBy('id')
    .forNoKeyUpdate()
    .execute();
  const full = await tx
    .selectFrom('instances')
    .innerJoin('companions', 'companions.id', 'instances.host_id')
    .select(['companions.name', sql<number>`count(*)::integer`.as('count')])
    .where('instances.host_id', '=', ours)
    .groupBy('companions.name')
    .having(sql<number>`count(*)`, '>', mostTargetsOfHost)
    .executeTakeFirst();
  if (full === undefined) return;
  throw new SallyportError(
    'request_malformed',
    `The host ${full.name} would have ${full.count} instances; its certificate can name ${mostTargetsOfHost}. ` +
      'Put some on another host.',
  );
}
