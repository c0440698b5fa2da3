import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { appPath, createApp } from '../inventory/app.ts';
import { createInstance, requireHost, updateInstanceAddress } from '../inventory/instance.ts';
import { inventoryChanged } from '../inventory/inventory-changed.ts';
import type { AppliedCompanions } from './apply-companions.ts';
import type { SetupDocument } from './setup-document.ts';

type AppSetup = SetupDocument['projects'][number]['environments'][number]['apps'][number];
type InstanceSetup = AppSetup['instances'][number];

/** @throws not_found for a host that the document does not have */
export async function applyApps(
  tx: Tx,
  environmentId: string,
  apps: readonly AppSetup[],
  companions: AppliedCompanions,
): Promise<void> {
  for (const app of apps) {
    const appId = await applyApp(tx, environmentId, app);
    for (const instance of app.instances) await applyInstance(tx, appId, instance, companions);
  }
}

async function applyApp(tx: Tx, environmentId: string, { slug, ssh_role }: AppSetup): Promise<string> {
  const found = await tx
    .selectFrom('apps')
    .select(['id', 'ssh_role'])
    .where('environment_id', '=', environmentId)
    .where('slug', '=', slug)
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (!found) return await createApp(tx, { environmentId, slug, sshRole: ssh_role });
  if (found.ssh_role !== ssh_role) {
    await tx.updateTable('apps').set({ ssh_role }).where('id', '=', found.id).execute();
    const { organizationId, name } = await appPath(tx, found.id);
    await inventoryChanged(tx, { organizationId, change: 'app changed', name });
  }
  return found.id;
}

async function applyInstance(
  tx: Tx,
  appId: string,
  instance: InstanceSetup,
  { hosts }: AppliedCompanions,
): Promise<void> {
  const { slug, address, port, login, host, kind, role, state } = instance;
  const hostId = host === undefined ? null : hosts.get(host);
  if (hostId === undefined) {
    throw new SallyportError('not_found', `An instance names the host "${host}", which is not in "hosts".`);
  }
  const { organizationId, name: path } = await appPath(tx, appId);
  const name = slug === undefined ? path : `${path}--${slug}`;
  const found = await tx
    .selectFrom('instances')
    .select(['id', 'login', 'host_id'])
    .where('app_id', '=', appId)
    .where('target_name', '=', name)
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (!found) {
    const id = await createInstance(tx, { appId, instanceSlug: slug ?? null, address, port, login, hostId });
    const facts = { ...(kind && { kind }), ...(role && { role }), ...(state && { state }) };
    if (Object.keys(facts).length > 0)
      await tx.updateTable('instances').set(facts).where('id', '=', id).execute();
    return;
  }
  await updateInstanceAddress(tx, found.id, { address, port });
  if (found.login === login && found.host_id === hostId) return;
  if (hostId !== null && found.host_id !== hostId) await requireHost(tx, hostId, organizationId);
  await tx.updateTable('instances').set({ login, host_id: hostId }).where('id', '=', found.id).execute();
  await inventoryChanged(tx, { organizationId, change: 'instance changed', name });
}
