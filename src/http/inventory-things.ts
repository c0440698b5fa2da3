/** The kinds of things that have routes of their own, and how each is named there. */
import { newThing } from '../api/inventory.ts';
import { type InventoryKind, inventoryMembers, withDefaults } from '../api/inventory-members.ts';
import type { Database } from '../database/database.ts';
import { findItem } from '../inventory/kinds/all-kinds.ts';
import { instanceItem } from '../inventory/kinds/instance.ts';
import type { Item } from '../inventory/kinds/kind-store.ts';
import { parseInput } from './parse-input.ts';

export type ThingKind = keyof typeof newThing;

export interface Thing {
  readonly kind: ThingKind;
  /** In paths: `/v1/inventory/<words>/:<word>`. */
  readonly words: string;
  readonly word: string;
  readonly phrase: string;
}

export const things: readonly Thing[] = [
  { kind: 'project', words: 'projects', word: 'project', phrase: 'a project' },
  { kind: 'environment', words: 'environments', word: 'environment', phrase: 'an environment' },
  { kind: 'service', words: 'services', word: 'service', phrase: 'a service' },
  { kind: 'app', words: 'apps', word: 'app', phrase: 'an app' },
  { kind: 'gateway', words: 'gateways', word: 'gateway', phrase: 'a gateway' },
  { kind: 'host', words: 'hosts', word: 'host', phrase: 'a host' },
  { kind: 'instance', words: 'instances', word: 'instance', phrase: 'an instance' },
];

/** @throws request_malformed */
export function newItem(kind: ThingKind, body: unknown): Item {
  const { name, path, said } = kind === 'instance' ? newInstance(body) : namedThing(kind, body);
  return { kind, name, path, members: withDefaults<InventoryKind>(kind, said) };
}

function namedThing(kind: Exclude<ThingKind, 'instance'>, body: unknown) {
  const { name, ...said } = parseInput(newThing[kind], body, 'body');
  return { name, path: name.split('.'), said: present(said) };
}

function newInstance(body: unknown) {
  const { app, slug, ...said } = parseInput(newThing.instance, body, 'body');
  const [project, environment, name] = app.split('.');
  const appName = `${project}-${environment}--${name}`;
  return {
    name: slug === null ? appName : `${appName}--${slug}`,
    path: [...app.split('.'), ...(slug === null ? [] : [slug])],
    said: present(said),
  };
}

/** The thing with what the body says of it. @throws request_malformed */
export function changedItem(before: Item, body: unknown): Item {
  const said = parseInput(inventoryMembers[before.kind].partial(), body, 'body');
  return { ...before, members: { ...before.members, ...present(said) } as Item['members'] };
}

export async function findThing(
  db: Database,
  organizationId: string,
  kind: ThingKind,
  name: string,
): Promise<Item | undefined> {
  if (kind === 'instance') return await instanceItem(db, organizationId, name);
  return await findItem(db, organizationId, kind, name);
}

export function thingDocument({ kind, name, path, members }: Item): Record<string, unknown> {
  const place = kind === 'instance' ? { app: path.slice(0, 3).join('.'), slug: path[3] ?? null } : {};
  return { name, ...place, ...members };
}

function present(said: object): object {
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
}
