/** Instances that somebody made by hand. Those that are reported come and go without a plan. */
import type { MembersOf } from '../../api/inventory-members.ts';
import type { Database } from '../../database/database.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { appIdOf, notThere } from '../find-place.ts';
import { type InstanceWrite, insertInstances, updateInstances } from '../write-instances.ts';
import type { Item, KindStore, Write } from './kind-store.ts';

export const instances: KindStore<'instance'> = {
  async list(db, organizationId): Promise<Item<'instance'>[]> {
    const rows = await instanceQuery(db, organizationId)
      .where('instances.reported_by', '=', 'admin')
      .orderBy('instances.target_name')
      .execute();
    return rows.map(itemOf);
  },

  async create(write, items) {
    const byApp = Map.groupBy(items, ({ path }) => path.slice(0, 3).join('.'));
    for (const ofApp of byApp.values()) {
      const [first] = ofApp;
      if (first === undefined) continue;
      const rows = ofApp.map(({ path, members }) => ({ slug: path[3] ?? null, members }));
      await insertInstances(write.tx, await instanceWrite(write, first), rows);
    }
  },

  async change(write, item, before) {
    await refuseReported(write, before);
    const row = { slug: item.path[3] ?? null, members: item.members };
    await updateInstances(write.tx, await instanceWrite(write, item), [row]);
  },

  async remove({ tx, organizationId }, { path, name }) {
    const appId = await appIdOf(tx, organizationId, path);
    const { numDeletedRows } = await tx
      .deleteFrom('instances')
      .where('app_id', '=', appId)
      .where('target_name', '=', name)
      .executeTakeFirstOrThrow();
    if (numDeletedRows === 0n) throw notThere('instance', [name]);
  },
};

/** However it came. */
export async function instanceItem(
  db: Database,
  organizationId: string,
  targetName: string,
): Promise<Item<'instance'> | undefined> {
  const row = await instanceQuery(db, organizationId)
    .where('instances.target_name', '=', targetName)
    .executeTakeFirst();
  return row && itemOf(row);
}

export function instanceQuery(db: Database, organizationId: string) {
  return db
    .selectFrom('instances')
    .innerJoin('apps', 'apps.id', 'instances.app_id')
    .innerJoin('environments', 'environments.id', 'apps.environment_id')
    .innerJoin('projects', 'projects.id', 'environments.project_id')
    .leftJoin('companions as host', (join) =>
      join.onRef('host.id', '=', 'instances.host_id').on('host.revoked_at', 'is', null),
    )
    .select(['projects.slug as project', 'environments.slug as environment', 'apps.slug as app'])
    .select(['instances.slug', 'instances.target_name', 'instances.address', 'instances.port'])
    .select(['instances.login', 'host.name as host', 'instances.state', 'instances.kind', 'instances.role'])
    .select('instances.labels')
    .where('projects.organization_id', '=', organizationId);
}

type InstanceRow = Awaited<ReturnType<ReturnType<typeof instanceQuery>['execute']>>[number];

export function itemOf(row: InstanceRow): Item<'instance'> {
  const { project, environment, app, slug } = row;
  return {
    kind: 'instance',
    name: row.target_name,
    path: [project, environment, app, ...(slug === null ? [] : [slug])],
    members: membersOf(row),
  };
}

export function membersOf(row: Omit<InstanceRow, 'project' | 'environment' | 'app'>): MembersOf<'instance'> {
  const { address, port, login, host, state, kind, role, labels } = row;
  return { address, port, login, host, state, kind, role, labels };
}

async function refuseReported({ tx }: Write, { name }: Item<'instance'>): Promise<void> {
  const row = await tx
    .selectFrom('instances')
    .select('reported_by')
    .where('target_name', '=', name)
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (row === undefined) throw notThere('instance', [name]);
  if (row.reported_by === 'admin') return;
  const who = row.reported_by === 'companion' ? 'its own host' : 'an orchestrator';
  throw new SallyportError(
    'still_used',
    `The instance ${name} is reported by ${who}, whose next report would undo this. Change it there.`,
  );
}

async function instanceWrite(
  { tx, organizationId, now }: Write,
  { path }: Item<'instance'>,
): Promise<InstanceWrite> {
  const [project, environment, app] = path;
  return {
    organizationId,
    appId: await appIdOf(tx, organizationId, path),
    appName: `${project}-${environment}--${app}`,
    reportedBy: 'admin',
    now,
  };
}
