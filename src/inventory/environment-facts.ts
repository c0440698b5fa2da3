/** Environments with what is above them, as certificates that are narrowed to one are decided. */
import { sql } from 'kysely';
import type { Database } from '../database/database.ts';
import type { EnvironmentFacts } from '../policy/facts.ts';

export interface NamedEnvironment {
  readonly organizationId: string;
  readonly project: string;
  readonly environment: string;
}

/** Those of the environments that there are, with one statement for all. */
export async function environmentsByName<Named extends NamedEnvironment>(
  db: Database,
  named: readonly Named[],
): Promise<ReadonlyMap<Named, EnvironmentFacts>> {
  if (named.length === 0) return new Map();
  const rows = await db
    .selectFrom('environments')
    .innerJoin('projects', 'projects.id', 'environments.project_id')
    .innerJoin('organizations', 'organizations.id', 'projects.organization_id')
    .select([
      'organizations.id as organization_id',
      'organizations.slug as organization',
      'organizations.ssh_enabled as organization_enabled',
      'projects.slug as project',
      'projects.ssh_enabled as project_enabled',
      'environments.slug as environment',
      'environments.ssh_enabled as environment_enabled',
      'environments.mfa_required',
      'environments.people_only',
    ])
    .select(
      // The stricter of the two; least() passes over nulls.
      sql<number | null>`least(environments.mfa_max_age_seconds, organizations.mfa_max_age_seconds)`.as(
        'mfa_max_age_seconds',
      ),
    )
    .where(
      sql<boolean>`(organizations.id, projects.slug, environments.slug) in (
        select * from unnest(
          ${named.map(({ organizationId }) => organizationId)}::uuid[],
          ${named.map(({ project }) => project)}::text[],
          ${named.map(({ environment }) => environment)}::text[]
        )
      )`,
    )
    .execute();
  const keyOf = (...names: string[]) => names.join('/');
  const byName = new Map(
    rows.map((row) => [
      keyOf(row.organization_id, row.project, row.environment),
      {
        organization: row.organization,
        project: row.project,
        environment: row.environment,
        mfaRequired: row.mfa_required,
        mfaMaxAgeSeconds: row.mfa_max_age_seconds,
        peopleOnly: row.people_only,
        sshEnabled: {
          organization: row.organization_enabled,
          project: row.project_enabled,
          environment: row.environment_enabled,
        },
      },
    ]),
  );
  return new Map(
    named.flatMap((one) => {
      const facts = byName.get(keyOf(one.organizationId, one.project, one.environment));
      return facts ? [[one, facts] as const] : [];
    }),
  );
}
