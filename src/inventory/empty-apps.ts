/** Apps of which no instance is there now. */
import { sql } from 'kysely';
import type { Database } from '../database/database.ts';

export interface EmptyApp {
  readonly organization: string;
  readonly project: string;
  readonly environment: string;
  readonly environmentKind: 'production' | 'staging' | 'development';
  readonly app: string;
  /** What the names of its targets would begin with. */
  readonly name: string;
}

/** Those of the environments that each gateway serves; a host has none. */
export async function emptyAppsOfCompanions(
  db: Database,
  companionIds: readonly string[],
): Promise<ReadonlyMap<string, EmptyApp[]>> {
  const rows = await db
    .selectFrom('companion_environments')
    .innerJoin('companions', 'companions.id', 'companion_environments.companion_id')
    .innerJoin('environments', 'environments.id', 'companion_environments.environment_id')
    .innerJoin('apps', 'apps.environment_id', 'environments.id')
    .innerJoin('projects', 'projects.id', 'environments.project_id')
    .innerJoin('organizations', 'organizations.id', 'projects.organization_id')
    .leftJoin('instances', 'instances.app_id', 'apps.id')
    .select(['companions.id', 'organizations.slug as organization', 'projects.slug as project'])
    .select(['environments.slug as environment', 'environments.kind', 'apps.slug as app'])
    .where('companions.id', '=', sql<string>`any(${[...companionIds]}::uuid[])`)
    .where('companions.kind', '=', 'gateway')
    .where('instances.id', 'is', null)
    .orderBy('apps.id')
    .execute();
  const found = new Map<string, EmptyApp[]>();
  for (const { id, kind: environmentKind, ...app } of rows) {
    const name = `${app.project}-${app.environment}--${app.app}`;
    found.set(id, [...(found.get(id) ?? []), { ...app, environmentKind, name }]);
  }
  return found;
}
