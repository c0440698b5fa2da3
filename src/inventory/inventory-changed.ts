import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { bumpStateVersion } from '../revocation/state-version.ts';

export interface InventoryChange {
  readonly organizationId: string;
  /** What was done, such as `instance created`. */
  readonly change: string;
  /** To what. */
  readonly name: string;
}

/** Ends every write of this folder: the change is on record, and companions will hear of it. */
export async function inventoryChanged(
  tx: Tx,
  { organizationId, change, name }: InventoryChange,
): Promise<void> {
  await recordEvent(tx, { event: 'inventory.changed', organizationId, facts: { change, name } });
  // A version is at least the machine's milliseconds; what it is exactly means nothing, so no caller passes a clock.
  await bumpStateVersion(tx, new Date(), { krl: false });
}
