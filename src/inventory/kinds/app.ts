import { SallyportError } from '../../errors/sallyport-error.ts';
import { explained, explainedRemoval } from '../broken-constraint.ts';
import { appIdOf, environmentIdOf } from '../find-place.ts';
import { refuseRetiredName, retireName } from '../retired-names.ts';
import { dotted, type Item, type KindStore } from './kind-store.ts';

export const apps: KindStore<'app'> = {
  async list(db, organizationId): Promise<Item<'app'>[]> {
    const rows = await db
      .selectFrom('apps')
      .innerJoin('environments', 'environments.id', 'apps.environment_id')
      .innerJoin('projects', 'projects.id', 'environments.project_id')
      .select(['projects.slug as project', 'environments.slug as environment', 'apps.slug'])
      .select(['apps.ssh_enabled', 'ssh_role', 'folder', 'env_file', 'journal_unit'])
      .select(['local_forwarding', 'remote_forwarding', 'agent_forwarding'])
      .where('projects.organization_id', '=', organizationId)
      .orderBy('projects.slug')
      .orderBy('environments.slug')
      .orderBy('apps.slug')
      .execute();
    return rows.map(({ project, environment, slug, ...members }) => ({
      kind: 'app',
      name: dotted(project, environment, slug),
      path: [project, environment, slug],
      members,
    }));
  },

  async create({ tx, organizationId }, items) {
    for (const { path, members } of items) {
      const environmentId = await environmentIdOf(tx, organizationId, path);
      const [, , slug = ''] = path;
      await refuseRetiredName(tx, { kind: 'app', holderId: environmentId, slug });
      const values = { environment_id: environmentId, slug, ...members };
      await explained(tx.insertInto('apps').values(values).execute());
    }
  },

  async change({ tx, organizationId }, { path, members }) {
    const id = await appIdOf(tx, organizationId, path);
    await tx.updateTable('apps').set(members).where('id', '=', id).execute();
  },

  /** With the instances that were reported; those that somebody made by hand are removed first. */
  async remove({ tx, organizationId, now }, { path, name }) {
    const [, , slug = ''] = path;
    const id = await appIdOf(tx, organizationId, path);
    const holderId = await environmentIdOf(tx, organizationId, path);
    // A report that is under way comes before the removal or after it, not in its middle.
    await tx.selectFrom('apps').select('id').where('id', '=', id).forUpdate().execute();
    const made = await tx
      .selectFrom('instances')
      .select((row) => row.fn.countAll<string>().as('count'))
      .where('app_id', '=', id)
      .where('reported_by', '=', 'admin')
      .executeTakeFirstOrThrow();
    if (made.count !== '0') {
      throw new SallyportError(
        'still_used',
        `The app ${name} has ${made.count} instances that were made by hand. Remove them first.`,
      );
    }
    await tx.deleteFrom('instances').where('app_id', '=', id).execute();
    await tx.deleteFrom('companion_apps').where('app_id', '=', id).execute();
    await explainedRemoval(tx.deleteFrom('apps').where('id', '=', id).execute());
    await retireName(tx, { kind: 'app', holderId, slug }, now);
  },
};
