import { explained, explainedRemoval } from '../broken-constraint.ts';
import { notThere, projectIdOf } from '../find-place.ts';
import { refuseRetiredName, retireName } from '../retired-names.ts';
import { dotted, type Item, type KindStore } from './kind-store.ts';

export const projects: KindStore<'project'> = {
  async list(db, organizationId): Promise<Item<'project'>[]> {
    const rows = await db
      .selectFrom('projects')
      .select(['slug', 'ssh_enabled'])
      .where('organization_id', '=', organizationId)
      .orderBy('slug')
      .execute();
    return rows.map(({ slug, ssh_enabled }) => ({
      kind: 'project',
      name: dotted(slug),
      path: [slug],
      members: { ssh_enabled },
    }));
  },

  async create({ tx, organizationId }, items) {
    for (const { path, members } of items) {
      const [slug = ''] = path;
      await refuseRetiredName(tx, { kind: 'project', holderId: organizationId, slug });
      const values = { organization_id: organizationId, slug, ...members };
      await explained(tx.insertInto('projects').values(values).execute());
    }
  },

  async change({ tx, organizationId }, { path, members }) {
    const id = await projectIdOf(tx, organizationId, path);
    await tx.updateTable('projects').set(members).where('id', '=', id).execute();
  },

  async remove({ tx, organizationId, now }, { path }) {
    const [slug = ''] = path;
    const id = await projectIdOf(tx, organizationId, path);
    // A rule on what is gone gives nobody anything.
    await tx
      .deleteFrom('access_rules')
      .where('project_id', '=', id)
      .where('environment_id', 'is', null)
      .execute();
    const { numDeletedRows } = await explainedRemoval(
      tx.deleteFrom('projects').where('id', '=', id).executeTakeFirstOrThrow(),
    );
    if (numDeletedRows === 0n) throw notThere('project', path);
    await retireName(tx, { kind: 'project', holderId: organizationId, slug }, now);
  },
};
