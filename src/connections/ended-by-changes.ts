import { sql } from 'kysely';
import type { Database } from '../database/database.ts';
import type { ItemChange } from '../inventory/apply-changes.ts';

/**
 * How many live connections are at targets that go by such changes, or that a switch closes. Those that end because
 * somebody loses a role are not among them.
 */
export async function connectionsEndedBy(
  db: Database,
  organizationId: string,
  changes: readonly ItemChange[],
): Promise<number> {
  const closed = closedPlaces(changes);
  if (closed.targets.size === 0 && closed.places.size === 0) return 0;
  const rows = await db
    .selectFrom('connections')
    .innerJoin('instances', 'instances.target_name', 'connections.target_name')
    .innerJoin('apps', 'apps.id', 'instances.app_id')
    .innerJoin('environments', 'environments.id', 'apps.environment_id')
    .innerJoin('projects', 'projects.id', 'environments.project_id')
    .select(['instances.target_name', 'projects.slug as project', 'environments.slug as environment'])
    .select(['apps.slug as app', sql<number>`count(*)::integer`.as('count')])
    .where('projects.organization_id', '=', organizationId)
    .where('connections.ended_at', 'is', null)
    .groupBy(['instances.target_name', 'projects.slug', 'environments.slug', 'apps.slug'])
    .execute();
  return rows
    .filter(
      ({ target_name, project, environment, app }) =>
        closed.targets.has(target_name) ||
        ['', project, `${project}.${environment}`, `${project}.${environment}.${app}`].some((place) =>
          closed.places.has(place),
        ),
    )
    .reduce((sum, { count }) => sum + count, 0);
}

/** '' is the organization. */
function closedPlaces(changes: readonly ItemChange[]) {
  const targets = new Set<string>();
  const places = new Set<string>();
  for (const { action, before, after } of changes) {
    if (before === null) continue;
    if (action === 'remove') {
      if (before.kind === 'instance') targets.add(before.name);
      if (before.kind === 'app') places.add(before.name);
    } else if (isOn(before.members) && !isOn(after.members)) places.add(before.path.join('.'));
  }
  return { targets, places };
}

function isOn(members: object): boolean {
  return (members as { readonly ssh_enabled?: boolean }).ssh_enabled !== false;
}
