import { sql } from 'kysely';
import type { MembersOf } from '../../api/inventory-members.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { explained, explainedRemoval } from '../broken-constraint.ts';
import { environmentIdOf, machineIds, projectIdOf } from '../find-place.ts';
import { refuseRetiredName, retireName } from '../retired-names.ts';
import { dotted, type Item, type KindStore, type Write } from './kind-store.ts';

type Members = MembersOf<'environment'>;

export const environments: KindStore<'environment'> = {
  async list(db, organizationId): Promise<Item<'environment'>[]> {
    const rows = await db
      .selectFrom('environments')
      .innerJoin('projects', 'projects.id', 'environments.project_id')
      .select(['projects.slug as project', 'environments.slug', 'environments.kind'])
      .select(['environments.ssh_enabled', 'mfa_required', 'mfa_max_age_seconds', 'mfa_enforcement'])
      .select(['people_only', 'access_mode', 'max_connection_seconds', 'idle_timeout_seconds'])
      .select(
        sql<string[]>`array(
          select companions.name
          from companion_environments
          join companions on companions.id = companion_environments.companion_id
          where companion_environments.environment_id = environments.id
            and companions.kind = 'gateway' and companions.revoked_at is null
          order by companions.name
        )`.as('gateways'),
      )
      .where('projects.organization_id', '=', organizationId)
      .orderBy('projects.slug')
      .orderBy('environments.slug')
      .execute();
    return rows.map(({ project, slug, access_mode, ...members }) => ({
      kind: 'environment',
      name: dotted(project, slug),
      path: [project, slug],
      members: { ...members, access: access_mode },
    }));
  },

  async create(write, items) {
    const { tx, organizationId } = write;
    for (const { path, members } of items) {
      const projectId = await projectIdOf(tx, organizationId, path);
      const [, slug = ''] = path;
      await refuseRetiredName(tx, { kind: 'environment', holderId: projectId, slug });
      await refuseOthersPrefix(write, path);
      const { id } = await explained(
        tx
          .insertInto('environments')
          .values({ project_id: projectId, slug, ...columnsOf(members) })
          .returning('id')
          .executeTakeFirstOrThrow(),
      );
      await assignGateways(write, id, members.gateways);
    }
  },

  async change(write, { path, members }) {
    const { tx, organizationId } = write;
    const id = await environmentIdOf(tx, organizationId, path);
    await tx.updateTable('environments').set(columnsOf(members)).where('id', '=', id).execute();
    await assignGateways(write, id, members.gateways);
  },

  async remove({ tx, organizationId, now }, { path }) {
    const [, slug = ''] = path;
    const id = await environmentIdOf(tx, organizationId, path);
    const holderId = await projectIdOf(tx, organizationId, path);
    // A rule on what is gone gives nobody anything.
    await tx.deleteFrom('access_rules').where('environment_id', '=', id).execute();
    await tx.deleteFrom('companion_environments').where('environment_id', '=', id).execute();
    await explainedRemoval(tx.deleteFrom('environments').where('id', '=', id).execute());
    await retireName(tx, { kind: 'environment', holderId, slug }, now);
  },
};

/**
 * Names of targets begin with those of project and environment, and are unique in the installation. Whoever could begin
 * them as another organization does could take the names of its next instances, and no report of them would be accepted.
 */
async function refuseOthersPrefix({ tx, organizationId }: Write, path: readonly string[]): Promise<void> {
  const prefix = path.join('-');
  const taken = await tx
    .selectFrom('environments')
    .innerJoin('projects', 'projects.id', 'environments.project_id')
    .select('environments.id')
    .where('projects.organization_id', '<>', organizationId)
    .where(sql<string>`projects.slug || '-' || environments.slug`, '=', prefix)
    .limit(1)
    .executeTakeFirst();
  if (taken === undefined) return;
  throw new SallyportError(
    'name_taken',
    `Names of targets would begin with "${prefix}--", which is taken in this installation. Choose another name for the project or the environment.`,
  );
}

function columnsOf({ gateways: _, access, ...columns }: Members) {
  return { ...columns, access_mode: access };
}

/** From now on exactly these serve it. */
async function assignGateways(
  { tx, organizationId }: Write,
  environmentId: string,
  names: readonly string[],
): Promise<void> {
  const ids = [...(await machineIds(tx, organizationId, 'gateway', names)).values()];
  await tx
    .deleteFrom('companion_environments')
    .where('environment_id', '=', environmentId)
    .where('companion_id', '!=', sql<string>`all(${ids}::uuid[])`)
    .execute();
  for (const id of ids) {
    await tx
      .insertInto('companion_environments')
      .values({ companion_id: id, environment_id: environmentId })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
}
