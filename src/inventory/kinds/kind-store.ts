/** What every kind of thing in the inventory can do: one file each beside this one, one table in all-kinds.ts. */
import type { InventoryKind, MembersOf } from '../../api/inventory-members.ts';
import type { Database, Tx } from '../../database/database.ts';

export interface Item<Kind extends InventoryKind = InventoryKind> {
  readonly kind: Kind;
  /** What people call it, unique among its kind in the organization, such as `shop.production`. */
  readonly name: string;
  /** Slugs from the project down; of a machine its name. */
  readonly path: readonly string[];
  readonly members: MembersOf<Kind>;
}

export interface Write {
  readonly tx: Tx;
  readonly organizationId: string;
  /** The account name of who does it. */
  readonly by: string;
  readonly now: Date;
}

/** The functions take no lock, record nothing and tell no companion: applyChanges() does. */
export interface KindStore<Kind extends InventoryKind> {
  list(db: Database, organizationId: string): Promise<Item<Kind>[]>;
  /** Absent: there is exactly one, and it can't be made or removed here. @throws name_refused, name_taken, not_found */
  create?(write: Write, items: readonly Item<Kind>[]): Promise<void>;
  /** @throws not_found */
  change(write: Write, item: Item<Kind>, before: Item<Kind>): Promise<void>;
  /** @throws not_found; in_use while it holds something that was not removed before it */
  remove?(write: Write, item: Item<Kind>): Promise<void>;
}

export function dotted(...path: readonly string[]): string {
  return path.join('.');
}
