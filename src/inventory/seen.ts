/** What people are shown of targets beside the facts that decisions ask about. */
import type { Database } from '../database/database.ts';

export interface InstanceDetails {
  readonly labels: Readonly<Record<string, string>>;
  /** Of the enrolled machine that it runs on; null: none is. */
  readonly hostKey: Uint8Array | null;
}

/** By target name. */
export async function detailsOfInstances(
  db: Database,
  organizationId: string,
): Promise<ReadonlyMap<string, InstanceDetails>> {
  const rows = await db
    .selectFrom('instances')
    .innerJoin('apps', 'apps.id', 'instances.app_id')
    .innerJoin('environments', 'environments.id', 'apps.environment_id')
    .innerJoin('projects', 'projects.id', 'environments.project_id')
    .leftJoin('companions', (join) =>
      join
        .onRef('companions.id', '=', 'instances.host_id')
        .on('companions.enrolled_at', 'is not', null)
        .on('companions.revoked_at', 'is', null),
    )
    .select(['instances.target_name', 'instances.labels', 'companions.host_key'])
    .where('projects.organization_id', '=', organizationId)
    .execute();
  return new Map(
    rows.map(({ target_name, labels, host_key: hostKey }) => [target_name, { labels, hostKey }]),
  );
}

export interface EmptyApp {
  readonly organization: string;
  readonly project: string;
  readonly environment: string;
  /** What the names of its targets would begin with. */
  readonly name: string;
}

/** Apps of which no instance is there now, by name. */
export async function appsWithoutInstances(db: Database, organizationId: string): Promise<EmptyApp[]> {
  const rows = await db
    .selectFrom('apps')
    .innerJoin('environments', 'environments.id', 'apps.environment_id')
    .innerJoin('projects', 'projects.id', 'environments.project_id')
    .innerJoin('organizations', 'organizations.id', 'projects.organization_id')
    .leftJoin('instances', 'instances.app_id', 'apps.id')
    .select(['organizations.slug as organization', 'projects.slug as project'])
    .select(['environments.slug as environment', 'apps.slug as app'])
    .where('projects.organization_id', '=', organizationId)
    .where('instances.id', 'is', null)
    .orderBy('projects.slug')
    .orderBy('environments.slug')
    .orderBy('apps.slug')
    .execute();
  return rows.map(({ app, ...above }) => ({
    ...above,
    name: `${above.project}-${above.environment}--${app}`,
  }));
}
