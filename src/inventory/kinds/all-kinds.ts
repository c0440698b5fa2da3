import type { InventoryKind } from '../../api/inventory-members.ts';
import type { Database } from '../../database/database.ts';
import { accessRules } from './access-rule.ts';
import { apps } from './app.ts';
import { environments } from './environment.ts';
import { instances } from './instance.ts';
import type { Item, KindStore } from './kind-store.ts';
import { gateways, hosts } from './machine.ts';
import { loginPolicies, organizations } from './organization.ts';
import { projects } from './project.ts';
import { services } from './service.ts';

/**
 * In the order in which they are made: each names only what stands before it. They are removed in the opposite order,
 * and machines after all else (apply-changes.ts).
 */
export const kindStores: { readonly [Kind in InventoryKind]: KindStore<Kind> } = {
  organization: organizations,
  gateway: gateways,
  project: projects,
  environment: environments,
  service: services,
  app: apps,
  host: hosts,
  instance: instances,
  access_rule: accessRules,
  // Makes a new state as it is changed, whose row is locked until the commit: late, so that nobody waits for long.
  login_policy: loginPolicies,
};

export const kindOrder = Object.keys(kindStores) as InventoryKind[];

/** Everything that a document can name. */
export async function allItems(db: Database, organizationId: string): Promise<Item[]> {
  const lists: Item[][] = [];
  for (const kind of kindOrder) lists.push(await kindStores[kind].list(db, organizationId));
  return lists.flat();
}

/** One that there is. */
export async function findItem<Kind extends InventoryKind>(
  db: Database,
  organizationId: string,
  kind: Kind,
  name: string,
): Promise<Item<Kind> | undefined> {
  const items: Item<Kind>[] = await kindStores[kind].list(db, organizationId);
  return items.find((item) => item.name === name);
}
