/** Databases and the like, which people of an environment tunnel to through a gateway. */
import { sql } from 'kysely';
import type { Database } from '../database/database.ts';
import type { ServiceFacts } from '../policy/facts.ts';

/** The enabled ones of the environments that each gateway serves, in the order of their making; a host has none. */
export async function servicesOfCompanions(
  db: Database,
  companionIds: readonly string[],
): Promise<ReadonlyMap<string, ServiceFacts[]>> {
  const served = await db
    .selectFrom('companion_environments')
    .innerJoin('companions', 'companions.id', 'companion_environments.companion_id')
    .select(['companion_environments.environment_id', 'companions.id'])
    .where('companions.id', '=', sql<string>`any(${[...companionIds]}::uuid[])`)
    .where('companions.kind', '=', 'gateway')
    .execute();
  const gatewaysOf = Map.groupBy(served, ({ environment_id }) => environment_id);
  const rows = await serviceQuery(db)
    .select('environments.id as environment_id')
    .where('environments.id', '=', sql<string>`any(${[...gatewaysOf.keys()]}::uuid[])`)
    .where('services.enabled', '=', true)
    .orderBy('services.id')
    .execute();
  const found = new Map<string, ServiceFacts[]>(companionIds.map((id) => [id, []]));
  for (const { environment_id, ...service } of rows) {
    for (const { id } of gatewaysOf.get(environment_id) ?? []) found.get(id)?.push(service);
  }
  return found;
}

export type Service = ServiceFacts & {
  /** Whom one logs in there as, and to which database; null: nobody has said. */
  readonly login: string | null;
  readonly database: string | null;
};

/** The enabled ones, by name. */
export async function servicesOfEnvironment(
  db: Database,
  { organization, project, environment }: Pick<ServiceFacts, 'organization' | 'project' | 'environment'>,
): Promise<Service[]> {
  return await serviceQuery(db)
    .select(['services.login', 'services.database'])
    .where('organizations.slug', '=', organization)
    .where('projects.slug', '=', project)
    .where('environments.slug', '=', environment)
    .where('services.enabled', '=', true)
    .orderBy('services.slug')
    .execute();
}

function serviceQuery(db: Database) {
  return db
    .selectFrom('services')
    .innerJoin('environments', 'environments.id', 'services.environment_id')
    .innerJoin('projects', 'projects.id', 'environments.project_id')
    .innerJoin('organizations', 'organizations.id', 'projects.organization_id')
    .select([
      'organizations.slug as organization',
      'projects.slug as project',
      'environments.slug as environment',
      'services.slug as name',
      'services.kind',
      'services.address',
      'services.port',
      'services.role',
    ]);
}
