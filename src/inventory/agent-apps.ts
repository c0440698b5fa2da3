/** Apps that allow agents to be forwarded, as certificates are decided by them. Most organizations have none. */
import { sql } from 'kysely';
import type { Database } from '../database/database.ts';
import type { AgentApp } from '../policy/agent-forwarding.ts';

/** By organization, with one statement for all. */
export async function agentAppsOf(
  db: Database,
  organizationIds: readonly string[],
): Promise<ReadonlyMap<string, readonly AgentApp[]>> {
  const rows = await db
    .selectFrom('apps')
    .innerJoin('environments', 'environments.id', 'apps.environment_id')
    .innerJoin('projects', 'projects.id', 'environments.project_id')
    .innerJoin('organizations', 'organizations.id', 'projects.organization_id')
    .select([
      'organizations.id as organization_id',
      'organizations.slug as organization',
      'projects.slug as project',
      'environments.slug as environment',
      'apps.ssh_role as sshRole',
    ])
    .where('apps.agent_forwarding', '=', true)
    .where('organizations.id', '=', sql<string>`any(${[...organizationIds]}::uuid[])`)
    .execute();
  return Map.groupBy(rows, ({ organization_id }) => organization_id);
}
