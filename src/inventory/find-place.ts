/** Ids of what a path of slugs leads to, in one organization. */
import type { Database } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';

type Path = readonly (string | undefined)[];

/** @throws not_found */
export async function projectIdOf(
  db: Database,
  organizationId: string,
  [project = '']: Path,
): Promise<string> {
  const row = await db
    .selectFrom('projects')
    .select('id')
    .where('organization_id', '=', organizationId)
    .where('slug', '=', project)
    .executeTakeFirst();
  if (row === undefined) throw notThere('project', [project]);
  return row.id;
}

/** @throws not_found */
export async function environmentIdOf(
  db: Database,
  organizationId: string,
  [project = '', environment = '']: Path,
): Promise<string> {
  const row = await db
    .selectFrom('environments')
    .innerJoin('projects', 'projects.id', 'environments.project_id')
    .select('environments.id')
    .where('projects.organization_id', '=', organizationId)
    .where('projects.slug', '=', project)
    .where('environments.slug', '=', environment)
    .executeTakeFirst();
  if (row === undefined) throw notThere('environment', [project, environment]);
  return row.id;
}

/** @throws not_found */
export async function appIdOf(
  db: Database,
  organizationId: string,
  [project = '', environment = '', app = '']: Path,
): Promise<string> {
  const row = await db
    .selectFrom('apps')
    .innerJoin('environments', 'environments.id', 'apps.environment_id')
    .innerJoin('projects', 'projects.id', 'environments.project_id')
    .select('apps.id')
    .where('projects.organization_id', '=', organizationId)
    .where('projects.slug', '=', project)
    .where('environments.slug', '=', environment)
    .where('apps.slug', '=', app)
    .executeTakeFirst();
  if (row === undefined) throw notThere('app', [project, environment, app]);
  return row.id;
}

/** Machines that are not revoked, by name. @throws not_found naming the one that there is not */
export async function machineIds(
  db: Database,
  organizationId: string,
  kind: 'gateway' | 'host',
  names: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const wanted = [...new Set(names)];
  if (wanted.length === 0) return new Map();
  const rows = await db
    .selectFrom('companions')
    .select(['id', 'name'])
    .where('organization_id', '=', organizationId)
    .where('kind', '=', kind)
    .where('revoked_at', 'is', null)
    .where('name', 'in', wanted)
    .execute();
  const ids = new Map(rows.map(({ id, name }) => [name, id]));
  const missing = wanted.find((name) => !ids.has(name));
  if (missing !== undefined) throw notThere(kind, [missing]);
  return ids;
}

/** The same whether it is nobody's or another organization's. */
export function notThere(what: string, path: readonly string[]): SallyportError {
  return new SallyportError('not_found', `There is no ${what} "${path.join('.')}" in your organization.`);
}
