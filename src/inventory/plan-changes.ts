/** What would have to be done for the inventory to be as a document says. Pure: items in, changes out. */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { type InventoryKind, withDefaults } from '../api/inventory-members.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { ItemChange } from './apply-changes.ts';
import { listKey, listOf, type WantedItem, type WantedItems } from './document-items.ts';
import type { Item } from './kinds/kind-store.ts';

export interface ChangePlan {
  readonly changes: readonly ItemChange[];
  /** What stays though a list of the document does not name it; empty if it is to be pruned. */
  readonly notInFile: readonly Item[];
}

/** @param order of the kinds: what is named stands before what names it */
export function planChanges(
  current: readonly Item[],
  wanted: WantedItems,
  { prune, order }: { readonly prune: boolean; readonly order: readonly InventoryKind[] },
): ChangePlan {
  const there = new Map(current.map((item) => [keyOf(item), item]));
  const named = new Set(wanted.items.map(keyOf));
  const made = wanted.items.flatMap((item) => {
    const change = changeTo(item, there.get(keyOf(item)));
    return change === undefined ? [] : [change];
  });
  const unnamed = unnamedItems(current, named, wanted);
  const rank = ({ kind }: Item) => order.indexOf(kind);
  const sorted = (items: readonly Item[]) => items.toSorted((one, other) => rank(one) - rank(other));
  const removals: ItemChange[] = prune
    ? sorted(unnamed)
        .toReversed()
        .map((before) => ({ action: 'remove', before, after: null }))
    : [];
  const ordered = made.toSorted(
    (one, other) => rank(one.after ?? one.before) - rank(other.after ?? other.before),
  );
  return { changes: [...ordered, ...removals], notInFile: prune ? [] : sorted(unnamed) };
}

function keyOf({ kind, name }: Pick<Item, 'kind' | 'name'>): string {
  return `${kind} ${name}`;
}

function changeTo({ kind, name, path, said }: WantedItem, before: Item | undefined): ItemChange | undefined {
  if (before === undefined) {
    const after = { kind, name, path, members: withDefaults(kind, said) };
    return { action: 'create', before: null, after };
  }
  const was: Readonly<Record<string, unknown>> = { ...before.members };
  const differs = Object.entries(said).some(([member, value]) => !sameMember(was[member], value));
  if (!differs) return undefined;
  const members = { ...before.members, ...said } as Item['members'];
  return { action: 'change', before, after: { ...before, members } };
}

/** Lists in the inventory have no order but that of ports. */
function sameMember(was: unknown, is: unknown): boolean {
  if (!Array.isArray(was) || !Array.isArray(is) || typeof was[0] === 'number')
    return isDeepStrictEqual(was, is);
  const sorted = (list: readonly unknown[]) => list.map((one) => JSON.stringify(one)).sort();
  return isDeepStrictEqual(sorted(was), sorted(is));
}

/** Of the lists that the document has, and of what goes with its holder. */
function unnamedItems(
  current: readonly Item[],
  named: ReadonlySet<string>,
  { lists }: WantedItems,
): readonly Item[] {
  const gone = new Set<string>();
  const goneKeys = new Set<string>();
  const unnamed: Item[] = [];
  for (const item of current) {
    if (named.has(keyOf(item))) continue;
    const isListed = lists.has(listOf(item)) || gone.has(listOf(item));
    if (!isListed && !references(item).some((key) => item.kind === 'access_rule' && goneKeys.has(key)))
      continue;
    unnamed.push(item);
    goneKeys.add(keyOf(item));
    for (const kind of held[item.kind] ?? []) gone.add(listKey(kind, item.path));
  }
  return unnamed;
}

/**
 * What the document names and there would not be.
 * @throws not_found
 */
export function requireReferences(
  current: readonly Item[],
  { items }: WantedItems,
  { changes }: Pick<ChangePlan, 'changes'>,
): void {
  const there = new Set(current.map(keyOf));
  for (const { action, before, after } of changes) {
    if (action === 'create') there.add(keyOf(after));
    if (action === 'remove') there.delete(keyOf(before));
  }
  for (const { kind, name, said } of items) {
    const missing = references({ kind, members: said }).find((key) => !there.has(key));
    if (missing === undefined) continue;
    const [what = '', ...which] = missing.split(' ');
    throw new SallyportError(
      'not_found',
      `The ${kind.replace('_', ' ')} "${name}" names the ${what} "${which.join(' ')}", which there is not, or which would be removed.`,
    );
  }
}

/** Keys of what a thing names beside what holds it. */
function references({ kind, members }: { readonly kind: InventoryKind; readonly members: object }): string[] {
  const all: Readonly<Record<string, unknown>> = { ...members };
  const names = (list: unknown) => (Array.isArray(list) ? list : []);
  switch (kind) {
    case 'environment':
      return names(all['gateways']).map((name) => `gateway ${name}`);
    case 'instance':
      return all['host'] == null ? [] : [`host ${all['host']}`];
    case 'host':
      return names(all['announces']).map(({ app }) => `app ${app}`);
    case 'access_rule': {
      const { project, environment } = all;
      if (project == null) return [];
      const above = [`project ${project}`];
      return environment == null ? above : [...above, `environment ${project}.${environment}`];
    }
    default:
      return [];
  }
}

const held: Partial<Record<InventoryKind, readonly InventoryKind[]>> = {
  project: ['environment'],
  environment: ['service', 'app'],
  app: ['instance'],
};

/** The same for two plans that would do the same: what somebody saw is what is done. */
export function planDigest({ changes, notInFile }: ChangePlan, prune: boolean): string {
  const seen = {
    prune,
    changes: changes.map(({ action, before, after }) => [action, before, after]),
    not_in_file: notInFile.map(keyOf),
  };
  return createHash('sha256').update(canonicalJson(seen)).digest('hex');
}

/** JSON with the members of objects in one order. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_name, part) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([one], [other]) => (one < other ? -1 : 1)))
      : part,
  );
}
