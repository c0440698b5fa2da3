/** Gateways and hosts of a setup document, and which gateway serves which environment. */
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import {
  type CompanionKind,
  createCompanion,
  updateCompanionAddress,
  updateSourceAddress,
} from '../inventory/companion.ts';
import { inventoryChanged } from '../inventory/inventory-changed.ts';
import type { SetupDocument } from './setup-document.ts';

/** Ids by name; a name is given once in the whole installation. */
export interface AppliedCompanions {
  readonly hosts: ReadonlyMap<string, string>;
  readonly gateways: ReadonlyMap<string, string>;
}

/** @throws name_taken */
export async function applyCompanions(
  tx: Tx,
  organizationId: string,
  document: SetupDocument,
): Promise<AppliedCompanions> {
  const hosts = new Map<string, string>();
  for (const host of document.hosts) {
    hosts.set(host.name, await applyCompanion(tx, organizationId, 'host', { ...host, login: null }));
  }
  const gateways = new Map<string, string>();
  for (const gateway of document.gateways) {
    const login = gateway.login ?? null;
    const id = await applyCompanion(tx, organizationId, 'gateway', { ...gateway, login });
    await updateSourceAddress(tx, id, gateway.source_address ?? null);
    gateways.set(gateway.name, id);
  }
  return { hosts, gateways };
}

async function applyCompanion(
  tx: Tx,
  organizationId: string,
  kind: CompanionKind,
  { name, address, port, login }: { name: string; address: string; port: number; login: string | null },
): Promise<string> {
  const found = await tx
    .selectFrom('companions')
    .select(['id', 'organization_id', 'kind', 'gateway_login', 'revoked_at'])
    .where('name', '=', name)
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (!found) {
    const place = { name, address, port, gatewayLogin: login };
    return await createCompanion(tx, { organizationId, kind, ...place, environmentIds: [] });
  }
  if (found.organization_id !== organizationId || found.kind !== kind || found.revoked_at !== null) {
    throw new SallyportError(
      'name_taken',
      `The name of the ${kind} "${name}" is taken: by a machine of another kind or organization, or by one that was revoked. Give it another name.`,
    );
  }
  await updateCompanionAddress(tx, found.id, { address, port });
  if (found.gateway_login !== login) {
    await tx.updateTable('companions').set({ gateway_login: login }).where('id', '=', found.id).execute();
    await inventoryChanged(tx, { organizationId, change: 'gateway login changed', name });
  }
  return found.id;
}

/** From now on exactly these gateways serve the environment. @throws not_found for one that the document does not have */
export async function assignGateways(
  tx: Tx,
  { organizationId, environmentId }: { organizationId: string; environmentId: string },
  names: readonly string[],
  { gateways }: AppliedCompanions,
): Promise<void> {
  const wanted = new Map(names.map((name) => [gatewayId(name, gateways), name]));
  const rows = await tx
    .selectFrom('companion_environments')
    .innerJoin('companions', 'companions.id', 'companion_id')
    .select(['companion_id', 'companions.name'])
    .where('environment_id', '=', environmentId)
    .execute();
  for (const { companion_id: id, name } of rows) {
    if (wanted.delete(id)) continue;
    await tx
      .deleteFrom('companion_environments')
      .where('companion_id', '=', id)
      .where('environment_id', '=', environmentId)
      .execute();
    await inventoryChanged(tx, { organizationId, change: 'gateway serves less', name });
  }
  for (const [id, name] of wanted) {
    await tx
      .insertInto('companion_environments')
      .values({ companion_id: id, environment_id: environmentId })
      .execute();
    await inventoryChanged(tx, { organizationId, change: 'gateway serves more', name });
  }
}

function gatewayId(name: string, gateways: ReadonlyMap<string, string>): string {
  const id = gateways.get(name);
  if (id !== undefined) return id;
  throw new SallyportError(
    'not_found',
    `An environment names the gateway "${name}", which is not in "gateways".`,
  );
}
