/** A machine as its enrolment recorded it: the only source of what certificates say about it. */
import { sql } from 'kysely';
import type { Database, Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';

export interface EnrolledMachine {
  readonly organizationId: string;
  readonly kind: 'gateway' | 'host';
  readonly name: string;
  /** Where it is seen to come from: an IP address, or a host name where nobody has said one. */
  readonly sourceAddress: string;
  /** Blob of its SSH host key. */
  readonly hostKey: Buffer;
  /** More names that it is found by, such as a DNS name that several gateways share. */
  readonly hostNames: readonly string[];
  /** Hosts: the targets on it. A gateway stands in front of its targets and is none of them. */
  readonly targetNames: readonly string[];
}

/**
 * Reads the machine and locks it, so that two readers do not both renew its certificate.
 * @throws enrolment_refused
 */
export async function lockEnrolledMachine(tx: Tx, companionId: string): Promise<EnrolledMachine> {
  const row = await machineQuery(tx).where('id', '=', companionId).forNoKeyUpdate().executeTakeFirst();
  const machine = row && machineOf(row, row.kind === 'host' ? await targetsOn(tx, [companionId]) : []);
  if (machine) return machine;
  throw new SallyportError(
    'enrolment_refused',
    'This machine is not enrolled, or was revoked. Ask an admin for a new enrolment token.',
  );
}

/** Those of them that are enrolled, by id: read together, and not locked. */
export async function enrolledMachines(
  db: Database,
  companionIds: readonly string[],
): Promise<ReadonlyMap<string, EnrolledMachine>> {
  const rows = await machineQuery(db)
    .where('id', '=', sql<string>`any(${[...companionIds]}::uuid[])`)
    .execute();
  const hosts = rows.filter(({ kind }) => kind === 'host').map(({ id }) => id);
  const targets = Map.groupBy(await targetsOn(db, hosts), ({ host_id }) => host_id);
  const found = new Map<string, EnrolledMachine>();
  for (const row of rows) {
    const machine = machineOf(row, targets.get(row.id) ?? []);
    if (machine) found.set(row.id, machine);
  }
  return found;
}

function machineQuery(db: Database) {
  return db
    .selectFrom('companions')
    .select(['id', 'organization_id', 'kind', 'name', 'address', 'source_address', 'host_key', 'revoked_at'])
    .select(ownHostNames.as('host_names'));
}

/**
 * A name below a domain that the operator gave to organizations is theirs alone. Any other that machines of two
 * organizations claim is that one's whose machine was enrolled first: else whoever may name machines in one organization
 * could have a certificate for another's name.
 */
const ownHostNames = sql<string[]>`array(
  select claimed.name
  from unnest(companions.host_names) with ordinality as claimed (name, place)
  cross join lateral (
    select bool_or(organization_id = companions.organization_id) as is_own
    from organization_domains
    where claimed.name = domain or right(claimed.name, length(domain) + 1) = '.' || domain
  ) as domains
  where coalesce(domains.is_own, not exists (
    select from companions as other
    where other.organization_id <> companions.organization_id
      and other.revoked_at is null
      and (other.enrolled_at, other.id) < (companions.enrolled_at, companions.id)
      and (claimed.name = any (other.host_names) or claimed.name = lower(other.address))
  ))
  order by claimed.place
)`;

type MachineRow = Awaited<ReturnType<ReturnType<typeof machineQuery>['execute']>>[number];

function machineOf(row: MachineRow, targets: readonly TargetOnHost[]): EnrolledMachine | undefined {
  if (!row.host_key || row.revoked_at) return undefined;
  const { organization_id: organizationId, kind, name, host_key: hostKey } = row;
  const sourceAddress = row.source_address ?? row.address.toLowerCase();
  const targetNames = targets.map(({ target_name }) => target_name);
  return { organizationId, kind, name, sourceAddress, hostKey, hostNames: row.host_names, targetNames };
}

interface TargetOnHost {
  readonly target_name: string;
  readonly host_id: string | null;
}

async function targetsOn(db: Database, hostIds: readonly string[]): Promise<TargetOnHost[]> {
  if (hostIds.length === 0) return [];
  return await db
    .selectFrom('instances')
    .select(['target_name', 'host_id'])
    .where('host_id', '=', sql<string>`any(${[...hostIds]}::uuid[])`)
    .orderBy('target_name')
    .execute();
}
