import { explained } from '../broken-constraint.ts';
import { environmentIdOf, notThere } from '../find-place.ts';
import { refuseRetiredName, retireName } from '../retired-names.ts';
import { dotted, type Item, type KindStore } from './kind-store.ts';

export const services: KindStore<'service'> = {
  async list(db, organizationId): Promise<Item<'service'>[]> {
    const rows = await db
      .selectFrom('services')
      .innerJoin('environments', 'environments.id', 'services.environment_id')
      .innerJoin('projects', 'projects.id', 'environments.project_id')
      .select(['projects.slug as project', 'environments.slug as environment', 'services.slug'])
      .select(['services.kind', 'services.address', 'services.port', 'services.role', 'services.enabled'])
      .select(['services.login', 'services.database'])
      .where('projects.organization_id', '=', organizationId)
      .orderBy('projects.slug')
      .orderBy('environments.slug')
      .orderBy('services.slug')
      .execute();
    return rows.map(({ project, environment, slug, ...members }) => ({
      kind: 'service',
      name: dotted(project, environment, slug),
      path: [project, environment, slug],
      members,
    }));
  },

  async create({ tx, organizationId }, items) {
    for (const { path, members } of items) {
      const environmentId = await environmentIdOf(tx, organizationId, path);
      const [, , slug = ''] = path;
      await refuseRetiredName(tx, { kind: 'service', holderId: environmentId, slug });
      const values = { environment_id: environmentId, slug, ...members };
      await explained(tx.insertInto('services').values(values).execute());
    }
  },

  async change({ tx, organizationId }, { path, members }) {
    const environmentId = await environmentIdOf(tx, organizationId, path);
    const { numUpdatedRows } = await tx
      .updateTable('services')
      .set(members)
      .where('environment_id', '=', environmentId)
      .where('slug', '=', path[2] ?? '')
      .executeTakeFirstOrThrow();
    if (numUpdatedRows === 0n) throw notThere('service', path);
  },

  async remove({ tx, organizationId, now }, { path }) {
    const environmentId = await environmentIdOf(tx, organizationId, path);
    const [, , slug = ''] = path;
    const { numDeletedRows } = await tx
      .deleteFrom('services')
      .where('environment_id', '=', environmentId)
      .where('slug', '=', slug)
      .executeTakeFirstOrThrow();
    if (numDeletedRows === 0n) throw notThere('service', path);
    await retireName(tx, { kind: 'service', holderId: environmentId, slug }, now);
  },
};
