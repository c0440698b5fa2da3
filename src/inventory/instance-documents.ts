/** Instances as lists show them, those that were made and those that are reported alike. */
import type { InstanceDocument } from '../api/inventory.ts';
import type { Database } from '../database/database.ts';
import type { InstanceState } from '../policy/facts.ts';
import { instanceQuery, membersOf } from './kinds/instance.ts';
import { dotted } from './kinds/kind-store.ts';

export interface InstanceFilter {
  /** `[project, environment, app]` */
  readonly app?: readonly string[] | undefined;
  readonly state?: InstanceState | undefined;
  readonly name?: string | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
}

/** Ordered by name. */
export async function listInstances(
  db: Database,
  organizationId: string,
  { app, state, name, after, limit }: InstanceFilter,
): Promise<InstanceDocument[]> {
  const [projectSlug, environmentSlug, appSlug] = app ?? [];
  const rows = await instanceQuery(db, organizationId)
    .select(['instances.gateway_uid', 'instances.node_number'])
    .select(['instances.reported_by', 'instances.reported_at'])
    .$if(projectSlug !== undefined, (query) => query.where('projects.slug', '=', projectSlug ?? ''))
    .$if(environmentSlug !== undefined, (query) =>
      query.where('environments.slug', '=', environmentSlug ?? ''),
    )
    .$if(appSlug !== undefined, (query) => query.where('apps.slug', '=', appSlug ?? ''))
    .$if(state !== undefined, (query) => query.where('instances.state', '=', state ?? 'running'))
    .$if(name !== undefined, (query) => query.where('instances.target_name', '=', name ?? ''))
    .$if(after !== undefined, (query) => query.where('instances.target_name', '>', after ?? ''))
    .orderBy('instances.target_name')
    .limit(limit)
    .execute();
  return rows.map((row) => ({
    name: row.target_name,
    app: dotted(row.project, row.environment, row.app),
    slug: row.slug,
    alias: `${row.node_number}-${row.gateway_uid}`,
    ...membersOf(row),
    reported_by: row.reported_by,
    reported_at: row.reported_at && Math.floor(row.reported_at.getTime() / 1000),
  }));
}
