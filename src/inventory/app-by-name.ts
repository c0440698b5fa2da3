import { sql } from 'kysely';
import type { Database } from '../database/database.ts';
import type { AppFacts } from '../policy/decide-app.ts';

/**
 * The organization's app whose instances' target names begin with this, looked up and not taken apart: of two slugs with
 * a hyphen nobody could say where one ends. Should two apps compose the same name, the one with instances counts.
 */
export async function appByName(
  db: Database,
  organizationId: string,
  name: string,
): Promise<AppFacts | undefined> {
  const rows = await db
    .selectFrom('apps')
    .innerJoin('environments', 'environments.id', 'apps.environment_id')
    .innerJoin('projects', 'projects.id', 'environments.project_id')
    .innerJoin('organizations', 'organizations.id', 'projects.organization_id')
    .leftJoin('instances', 'instances.app_id', 'apps.id')
    .select(['apps.id', 'organizations.slug as organization', 'projects.slug as project'])
    .select(['environments.slug as environment', 'instances.target_name'])
    .where('organizations.id', '=', organizationId)
    .where(sql<string>`projects.slug || '-' || environments.slug || '--' || apps.slug`, '=', name)
    .orderBy(sql`instances.target_name is null`)
    .orderBy('apps.id')
    .orderBy('instances.target_name')
    .execute();
  const [first] = rows;
  if (first === undefined) return undefined;
  const { organization, project, environment } = first;
  const instances = rows
    .filter(({ id }) => id === first.id)
    .map(({ target_name }) => target_name)
    .filter((found) => found !== null);
  return { organization, project, environment, name, instances };
}
