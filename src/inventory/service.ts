/** Databases and the like, which people of an environment tunnel to through a gateway. */
import type { Database } from '../database/database.ts';
import type { ServiceFacts } from '../policy/facts.ts';

/** The enabled ones of the environments that a gateway serves, by name; a host has none. */
export async function servicesOfCompanion(db: Database, companionId: string): Promise<ServiceFacts[]> {
  const rows = await serviceQuery(db)
    .innerJoin('companion_environments', 'companion_environments.environment_id', 'environments.id')
    .innerJoin('companions', 'companions.id', 'companion_environments.companion_id')
    .where('companions.id', '=', companionId)
    .where('companions.kind', '=', 'gateway')
    .where('services.enabled', '=', true)
    .orderBy('services.id')
    .execute();
  return rows;
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
