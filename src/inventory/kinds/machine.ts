/** Gateways and hosts. A name is given once in the installation: one that was revoked keeps it. */
import { sql } from 'kysely';
import type { MembersOf } from '../../api/inventory-members.ts';
import type { Database, Tx } from '../../database/database.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { explained } from '../broken-constraint.ts';
import { appIdOf, machineIds } from '../find-place.ts';
import { checkSourceAddress } from '../grammar.ts';
import { refuseOthersHostNames } from '../host-names.ts';
import { revokeCompanion } from '../revoke-companion.ts';
import type { Item, KindStore, Write } from './kind-store.ts';

export const gateways: KindStore<'gateway'> = {
  async list(db, organizationId): Promise<Item<'gateway'>[]> {
    const rows = await machineQuery(db, organizationId, 'gateway')
      .select(['gateway_login as login', 'source_address'])
      .execute();
    return rows.map(({ name, ...members }) => ({ kind: 'gateway', name, path: [name], members }));
  },

  async create(write, items) {
    for (const { name, members } of items) {
      await insertMachine(write, 'gateway', name, gatewayColumns(members));
    }
  },

  async change(write, { name, members }) {
    await updateMachine(write, 'gateway', name, gatewayColumns(members));
  },

  remove: (write, { name }) => removeMachine(write, 'gateway', name),
};

export const hosts: KindStore<'host'> = {
  async list(db, organizationId): Promise<Item<'host'>[]> {
    const rows = await machineQuery(db, organizationId, 'host')
      .select(
        sql<MembersOf<'host'>['announces']>`coalesce((
          select json_agg(json_build_object(
            'app', projects.slug || '.' || environments.slug || '.' || apps.slug,
            'login', companion_apps.login
          ) order by projects.slug, environments.slug, apps.slug)
          from companion_apps
          join apps on apps.id = companion_apps.app_id
          join environments on environments.id = apps.environment_id
          join projects on projects.id = environments.project_id
          where companion_apps.companion_id = companions.id
        ), '[]')`.as('announces'),
      )
      .execute();
    return rows.map(({ name, ...members }) => ({ kind: 'host', name, path: [name], members }));
  },

  async create(write, items) {
    for (const { name, members } of items) {
      const { announces, ...columns } = members;
      const id = await insertMachine(write, 'host', name, columns);
      await allowAnnouncing(write, id, announces);
    }
  },

  async change(write, { name, members }) {
    const { announces, ...columns } = members;
    const id = await updateMachine(write, 'host', name, columns);
    await allowAnnouncing(write, id, announces);
  },

  remove: (write, { name }) => removeMachine(write, 'host', name),
};

type MachineKind = 'gateway' | 'host';
type MachineColumns = Omit<MembersOf<'host'>, 'announces'> & {
  readonly gateway_login?: string | null;
  readonly source_address?: string | null;
};

function machineQuery(db: Database, organizationId: string, kind: MachineKind) {
  return db
    .selectFrom('companions')
    .select(['name', 'address', 'port', 'ports', 'host_names', 'host_fingerprint', 'lease_max_seconds'])
    .where('organization_id', '=', organizationId)
    .where('kind', '=', kind)
    .where('revoked_at', 'is', null)
    .orderBy('name');
}

function gatewayColumns({ login, ...members }: MembersOf<'gateway'>): MachineColumns {
  if (members.source_address !== null) checkSourceAddress(members.source_address);
  return { ...members, gateway_login: login };
}

async function insertMachine(
  { tx, organizationId }: Write,
  kind: MachineKind,
  name: string,
  columns: MachineColumns,
): Promise<string> {
  await refuseOthersHostNames(tx, organizationId, columns.host_names);
  const values = { ...columns, organization_id: organizationId, kind, name };
  const { id } = await explained(
    tx.insertInto('companions').values(values).returning('id').executeTakeFirstOrThrow(),
  );
  return id;
}

async function updateMachine(
  { tx, organizationId }: Write,
  kind: MachineKind,
  name: string,
  columns: MachineColumns,
): Promise<string> {
  const id = await machineId(tx, organizationId, kind, name);
  await refuseOthersHostNames(tx, organizationId, columns.host_names);
  await explained(tx.updateTable('companions').set(columns).where('id', '=', id).execute());
  return id;
}

/** Its key may be registered for its successor. */
async function removeMachine(
  { tx, organizationId, by, now }: Write,
  kind: MachineKind,
  name: string,
): Promise<void> {
  const id = await machineId(tx, organizationId, kind, name);
  // A report that is under way comes before the removal or after it, not in its middle.
  await tx.selectFrom('companions').select('id').where('id', '=', id).forUpdate().execute();
  await tx.deleteFrom('instances').where('host_id', '=', id).where('reported_by', '=', 'companion').execute();
  await tx.deleteFrom('companion_apps').where('companion_id', '=', id).execute();
  await tx.updateTable('companions').set({ host_fingerprint: null }).where('id', '=', id).execute();
  await revokeCompanion(tx, { companionId: id, by }, now);
}

async function machineId(tx: Tx, organizationId: string, kind: MachineKind, name: string): Promise<string> {
  const id = (await machineIds(tx, organizationId, kind, [name])).get(name);
  if (id === undefined) throw new SallyportError('not_found', 'There is no such gateway or host.');
  return id;
}

/** What it reported for an app that it may not announce any more goes. */
async function allowAnnouncing(
  { tx, organizationId }: Write,
  companionId: string,
  announces: MembersOf<'host'>['announces'],
): Promise<void> {
  const ids: string[] = [];
  for (const { app, login } of announces) {
    const appId = await appIdOf(tx, organizationId, app.split('.'));
    ids.push(appId);
    await tx
      .insertInto('companion_apps')
      .values({ companion_id: companionId, app_id: appId, login })
      .onConflict((conflict) => conflict.constraint('companion_apps_pkey').doUpdateSet({ login }))
      .execute();
  }
  const others = sql<string>`all(${ids}::uuid[])`;
  await tx
    .deleteFrom('companion_apps')
    .where('companion_id', '=', companionId)
    .where('app_id', '!=', others)
    .execute();
  await tx
    .deleteFrom('instances')
    .where('host_id', '=', companionId)
    .where('reported_by', '=', 'companion')
    .where('app_id', '!=', others)
    .execute();
}
