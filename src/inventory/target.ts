/** Instances with everything above them, as decisions see them. */
import { sql } from 'kysely';
import type { Database } from '../database/database.ts';
import type { TargetFacts } from '../policy/facts.ts';

export type Target = TargetFacts & {
  /** The target name's uid on gateways. */
  readonly gatewayUid: number;
  readonly nodeNumber: number;
  /** Its name in its app; null: the only one. */
  readonly instance: string | null;
  readonly instanceKind: 'instance' | 'worker' | 'task';
  readonly instanceRole: string | null;
  /** The enrolled host that it runs on. */
  readonly host: string | null;
  readonly folder: string | null;
  readonly envFile: string | null;
  readonly journalUnit: string | null;
  readonly organizationId: string;
};

/** Target names are unique in the installation, so this asks for no organization; the caller's decision does. */
export async function targetByName(db: Database, name: string): Promise<Target | undefined> {
  const row = await targetQuery(db).where('instances.target_name', '=', name).executeTakeFirst();
  return row && target(row);
}

/** Ordered by name. */
export async function targetsOfOrganization(db: Database, organizationId: string): Promise<Target[]> {
  const rows = await targetQuery(db)
    .where('projects.organization_id', '=', organizationId)
    .orderBy('instances.target_name')
    .execute();
  return rows.map(target);
}

/**
 * What a companion may hear of, ordered by name: a gateway, of the targets in the environments assigned to it; a host,
 * of the targets that run on it.
 */
export async function targetsOfCompanion(db: Database, companionId: string): Promise<Target[]> {
  return (await targetsOfCompanions(db, [companionId])).get(companionId) ?? [];
}

/** The same of many, read together: machines that hear of the same targets hold the same objects. */
export async function targetsOfCompanions(
  db: Database,
  companionIds: readonly string[],
): Promise<ReadonlyMap<string, Target[]>> {
  const ids = sql<string>`any(${[...companionIds]}::uuid[])`;
  const served = await db
    .selectFrom('companion_environments')
    .innerJoin('companions', 'companions.id', 'companion_environments.companion_id')
    .select(['companion_environments.environment_id', 'companions.id'])
    .where('companions.id', '=', ids)
    .where('companions.kind', '=', 'gateway')
    .execute();
  const gatewaysOf = Map.groupBy(served, ({ environment_id }) => environment_id);
  const rows = await targetQuery(db)
    .select(['environments.id as environment_id', 'instances.host_id'])
    .where((where) =>
      where.or([
        where('instances.host_id', '=', ids),
        where('environments.id', '=', sql<string>`any(${[...gatewaysOf.keys()]}::uuid[])`),
      ]),
    )
    .orderBy('instances.target_name')
    .execute();
  const found = new Map<string, Target[]>(companionIds.map((id) => [id, []]));
  for (const row of rows) {
    const facts = target(row);
    const hearing = new Set((gatewaysOf.get(row.environment_id) ?? []).map(({ id }) => id));
    if (row.host_id !== null) hearing.add(row.host_id);
    for (const id of hearing) found.get(id)?.push(facts);
  }
  return found;
}

export interface TargetBehindGateway {
  readonly target: Target;
  /** The enrolled host that it runs on, if there is one. */
  readonly hostName: string | null;
}

/** Undefined, the same for a name that is nobody's and for one in an environment that is not assigned to the gateway. */
export async function targetBehindGateway(
  db: Database,
  gatewayId: string,
  name: string,
): Promise<TargetBehindGateway | undefined> {
  const row = await targetQuery(db)
    .innerJoin('companion_environments', 'companion_environments.environment_id', 'environments.id')
    .leftJoin('companions as host', (join) =>
      join
        .onRef('host.id', '=', 'instances.host_id')
        .on('host.kind', '=', 'host')
        .on('host.enrolled_at', 'is not', null)
        .on('host.revoked_at', 'is', null),
    )
    .select('host.name as host_name')
    .where('companion_environments.companion_id', '=', gatewayId)
    .where('instances.target_name', '=', name)
    .executeTakeFirst();
  return row && { target: target(row), hostName: row.host_name };
}

type TargetRow = Awaited<ReturnType<ReturnType<typeof targetQuery>['execute']>>[number];

function targetQuery(db: Database) {
  return db
    .selectFrom('instances')
    .innerJoin('apps', 'apps.id', 'instances.app_id')
    .innerJoin('environments', 'environments.id', 'apps.environment_id')
    .innerJoin('projects', 'projects.id', 'environments.project_id')
    .innerJoin('organizations', 'organizations.id', 'projects.organization_id')
    .select([
      'instances.target_name',
      'instances.gateway_uid',
      'instances.state',
      'instances.address',
      'instances.port',
      'instances.login',
      'instances.slug as instance',
      'instances.node_number',
      'instances.kind as instance_kind',
      'instances.role as instance_role',
      'apps.folder',
      'apps.env_file',
      'apps.journal_unit',
      'apps.local_forwarding',
      'apps.remote_forwarding',
      'apps.agent_forwarding',
      'environments.mfa_enforcement',
      'apps.slug as app',
      'apps.ssh_role',
      'apps.ssh_enabled as app_enabled',
      'environments.slug as environment',
      'environments.kind as environment_kind',
      'environments.mfa_required',
      'environments.people_only',
      'environments.access_mode',
      'environments.ssh_enabled as environment_enabled',
      'projects.slug as project',
      'projects.ssh_enabled as project_enabled',
      'organizations.id as organization_id',
      'organizations.slug as organization',
      'organizations.ssh_enabled as organization_enabled',
    ])
    .select(
      // The stricter of the two; least() passes over nulls.
      sql<number | null>`least(environments.mfa_max_age_seconds, organizations.mfa_max_age_seconds)`.as(
        'mfa_max_age_seconds',
      ),
    )
    .select([
      stricter('max_connection_seconds').as('max_connection_seconds'),
      stricter('idle_timeout_seconds').as('idle_timeout_seconds'),
    ])
    .select((select) =>
      select
        .selectFrom('companions as its_host')
        .select('its_host.name')
        .whereRef('its_host.id', '=', 'instances.host_id')
        .where('its_host.enrolled_at', 'is not', null)
        .where('its_host.revoked_at', 'is', null)
        .as('host'),
    );
}

/** The environment's limit or the organization's, whichever is shorter; least() passes over nulls. */
function stricter(limit: 'max_connection_seconds' | 'idle_timeout_seconds') {
  const [inner, outer] = [`environments.${limit}`, `organizations.${limit}`];
  return sql<number | null>`least(${sql.ref(inner)}, ${sql.ref(outer)})`;
}

function target(row: TargetRow): Target {
  return {
    targetName: row.target_name,
    organization: row.organization,
    project: row.project,
    environment: row.environment,
    app: row.app,
    environmentKind: row.environment_kind,
    mfaRequired: row.mfa_required,
    mfaMaxAgeSeconds: row.mfa_max_age_seconds,
    mfaEnforcement: row.mfa_enforcement,
    maxConnectionSeconds: row.max_connection_seconds,
    idleTimeoutSeconds: row.idle_timeout_seconds,
    peopleOnly: row.people_only,
    accessMode: row.access_mode,
    sshRole: row.ssh_role,
    sshEnabled: {
      organization: row.organization_enabled,
      project: row.project_enabled,
      environment: row.environment_enabled,
      app: row.app_enabled,
    },
    forwarding: { local: row.local_forwarding, remote: row.remote_forwarding, agent: row.agent_forwarding },
    state: row.state,
    address: row.address,
    port: row.port,
    login: row.login,
    gatewayUid: row.gateway_uid,
    nodeNumber: row.node_number,
    instance: row.instance,
    instanceKind: row.instance_kind,
    instanceRole: row.instance_role,
    host: row.host,
    folder: row.folder,
    envFile: row.env_file,
    journalUnit: row.journal_unit,
    organizationId: row.organization_id,
  };
}
