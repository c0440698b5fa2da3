/**
 * The one way in which an admin changes the inventory, one thing or a whole file: everything in one transaction, with an
 * event for each change and one new state for companions at its end. The organization is locked, so that two admins come
 * one after the other.
 */
import { isDeepStrictEqual } from 'node:util';
import type { InventoryKind } from '../api/inventory-members.ts';
import { recordEvents } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { bumpStateVersion } from '../revocation/state-version.ts';
import { kindOrder, kindStores } from './kinds/all-kinds.ts';
import type { Item, KindStore, Write } from './kinds/kind-store.ts';
import { writeLoginPolicy } from './login-policy.ts';
import { requireLastingAdmin } from './remaining-admins.ts';

export type ItemChange =
  | { readonly action: 'create'; readonly before: null; readonly after: Item }
  | { readonly action: 'change'; readonly before: Item; readonly after: Item }
  | { readonly action: 'remove'; readonly before: Item; readonly after: null };

/** A statement has at most 65,535 parameters. */
const mostEventsAtOnce = 1000;

/** For whoever reads before they write. */
export async function lockOrganization(tx: Tx, organizationId: string): Promise<void> {
  await tx
    .selectFrom('organizations')
    .select('id')
    .where('id', '=', organizationId)
    .forNoKeyUpdate()
    .executeTakeFirstOrThrow();
}

/**
 * @throws forbidden if nobody would be left who is an admin for good; name_taken, name_refused, not_found, still_used,
 * request_malformed
 */
export async function applyChanges(write: Write, changes: readonly ItemChange[]): Promise<void> {
  const { tx, organizationId, now } = write;
  if (changes.length === 0) return;
  await lockOrganization(tx, organizationId);
  await requireLastingAdmin(tx, organizationId, async () => {
    await removeItems(write, changes, (kind) => !makesState(kind));
    for (const kind of kindOrder) await makeItems(write, changes, kind);
    // The new state's row is locked until the commit: late, so that nobody waits for long.
    await removeItems(write, changes, makesState);
  });
  const recorded = changes.filter((change) => kindOf(change) !== 'login_policy');
  for (let at = 0; at < recorded.length; at += mostEventsAtOnce) {
    const some = recorded.slice(at, at + mostEventsAtOnce);
    await recordEvents(
      tx,
      some.map((change) => eventOf(write, change)),
    );
  }
  await bumpStateVersion(tx, now, { krl: false });
}

/**
 * For a transaction that is rolled back: what applyChanges() would refuse, and what would be so then. The new state for
 * companions is left out and so is the revocation of machines, so that no revocation waits for what is only tried.
 */
export async function rehearseChanges(write: Write, changes: readonly ItemChange[]): Promise<void> {
  const { tx, organizationId } = write;
  await lockOrganization(tx, organizationId);
  await requireLastingAdmin(tx, organizationId, async () => {
    await removeItems(write, changes, (kind) => !makesState(kind));
    for (const kind of kindOrder) {
      if (kind !== 'login_policy') await makeItems(write, changes, kind);
    }
    for (const { after } of changes) {
      if (after?.kind !== 'login_policy') continue;
      await writeLoginPolicy(tx, organizationId, after.members as Item<'login_policy'>['members']);
    }
  });
}

/** Removing a machine revokes it. */
function makesState(kind: InventoryKind): boolean {
  return kind === 'gateway' || kind === 'host';
}

async function removeItems(
  write: Write,
  changes: readonly ItemChange[],
  isMeant: (kind: InventoryKind) => boolean,
): Promise<void> {
  for (const kind of kindOrder.toReversed().filter(isMeant)) {
    const store: KindStore<InventoryKind> = kindStores[kind];
    for (const { action, before } of changes) {
      if (action !== 'remove' || before.kind !== kind) continue;
      if (store.remove === undefined) throw fixed(kind);
      await store.remove(write, before);
    }
  }
}

async function makeItems(write: Write, changes: readonly ItemChange[], kind: InventoryKind): Promise<void> {
  const store: KindStore<InventoryKind> = kindStores[kind];
  const created: Item[] = [];
  for (const { action, before, after } of changes) {
    if (after?.kind !== kind) continue;
    if (action === 'create') created.push(after);
    else if (action === 'change') await store.change(write, after, before);
  }
  if (created.length === 0) return;
  if (store.create === undefined) throw fixed(kind);
  await store.create(write, created);
}

function fixed(kind: InventoryKind): SallyportError {
  return new SallyportError(
    'request_malformed',
    `There is exactly one ${kind}; it is neither made nor removed.`,
  );
}

function kindOf({ before, after }: ItemChange): InventoryKind | undefined {
  return (after ?? before)?.kind;
}

const words = { create: 'created', change: 'changed', remove: 'removed' } as const;

function eventOf({ organizationId, by }: Write, change: ItemChange) {
  const { action, before, after } = change;
  const { kind, name } = after ?? before;
  return {
    event: 'inventory.changed',
    organizationId,
    facts: { change: `${kind.replace('_', ' ')} ${words[action]}`, name, by, ...changedMembers(change) },
  } as const;
}

/** What a change changes, both ways; of something new or gone all there is to say. */
export function changedMembers({ before, after }: ItemChange): {
  readonly before: Record<string, unknown> | null;
  readonly after: Record<string, unknown> | null;
} {
  if (before === null || after === null) {
    return { before: before && { ...before.members }, after: after && { ...after.members } };
  }
  const [was, is]: Record<string, unknown>[] = [{ ...before.members }, { ...after.members }];
  const names = Object.keys(is ?? {}).filter((name) => !isDeepStrictEqual(was?.[name], is?.[name]));
  const pick = (of: Record<string, unknown> = {}) =>
    Object.fromEntries(names.map((name) => [name, of[name]]));
  return { before: pick(was), after: pick(is) };
}
