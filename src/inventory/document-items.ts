/** A document as the things that it names, one by one, and which of its lists it has at all. Pure. */
import type { InventoryDocument } from '../api/inventory-document.ts';
import { type InventoryKind, type MembersOf, withDefaults } from '../api/inventory-members.ts';
import { accessRuleItem, momentText } from './kinds/access-rule.ts';
import { dotted, type Item } from './kinds/kind-store.ts';

/** A thing as the document wants it; what the document does not say of it stays as it is. */
export interface WantedItem<Kind extends InventoryKind = InventoryKind> {
  readonly kind: Kind;
  readonly name: string;
  readonly path: readonly string[];
  readonly said: Partial<MembersOf<Kind>>;
}

export interface WantedItems {
  readonly items: readonly WantedItem[];
  /** Lists that the document has, as listKey() writes them: what they do not name may be pruned. */
  readonly lists: ReadonlySet<string>;
}

/** The list of a kind in its holder: the list of apps in `shop.production`. */
export function listKey(kind: InventoryKind, holder: readonly string[]): string {
  return `${kind}:${dotted(...holder)}`;
}

export function wantedItems(document: InventoryDocument): WantedItems {
  const wanted = new Wanted();
  const { slug, domains: _, ...organization } = document.organization;
  wanted.add('organization', slug, [], organization);
  if (document.login_policy) wanted.add('login_policy', slug, [], document.login_policy);
  wanted.list('gateway', [], document.gateways, ({ name, ...said }) => {
    wanted.add('gateway', name, [name], said);
  });
  wanted.list('host', [], document.hosts, ({ name, ...said }) => wanted.add('host', name, [name], said));
  wanted.list('access_rule', [], document.access_rules, ({ expires_at, ...rule }) => {
    const end = expires_at == null ? null : momentText(new Date(expires_at));
    const members = withDefaults('access_rule', present({ ...rule, expires_at: end }));
    // A rule without an end is one that never ends: nothing of a rule is left open.
    wanted.add('access_rule', accessRuleItem(members).name, [], members);
  });
  wanted.list('project', [], document.projects, (project) => addProject(wanted, project));
  return wanted;
}

type Project = NonNullable<InventoryDocument['projects']>[number];
type Environment = NonNullable<Project['environments']>[number];
type App = NonNullable<Environment['apps']>[number];

function addProject(wanted: Wanted, { slug, environments, ...said }: Project): void {
  wanted.add('project', dotted(slug), [slug], said);
  wanted.list('environment', [slug], environments, (environment) =>
    addEnvironment(wanted, slug, environment),
  );
}

function addEnvironment(
  wanted: Wanted,
  project: string,
  { slug, services, apps, ...said }: Environment,
): void {
  const path = [project, slug];
  wanted.add('environment', dotted(...path), path, said);
  wanted.list('service', path, services, ({ slug, ...service }) => {
    wanted.add('service', dotted(...path, slug), [...path, slug], service);
  });
  wanted.list('app', path, apps, (app) => addApp(wanted, path, app));
}

function addApp(wanted: Wanted, above: readonly string[], { slug, instances, ...said }: App): void {
  const path = [...above, slug];
  wanted.add('app', dotted(...path), path, said);
  const appName = `${above.join('-')}--${slug}`;
  wanted.list('instance', path, instances, ({ slug: instance, ...one }) => {
    const name = instance === undefined ? appName : `${appName}--${instance}`;
    wanted.add('instance', name, instance === undefined ? path : [...path, instance], one);
  });
}

class Wanted implements WantedItems {
  readonly items: WantedItem[] = [];
  readonly lists = new Set<string>();

  add<Kind extends InventoryKind>(
    kind: Kind,
    name: string,
    path: readonly string[],
    said: { readonly [Name in keyof MembersOf<Kind>]?: MembersOf<Kind>[Name] | undefined },
  ): void {
    this.items.push({ kind, name, path, said: present(said) } as unknown as WantedItem);
  }

  list<One>(
    kind: InventoryKind,
    holder: readonly string[],
    all: readonly One[] | undefined,
    each: (one: One) => void,
  ): void {
    if (all === undefined) return;
    this.lists.add(listKey(kind, holder));
    for (const one of all) each(one);
  }
}

/** Without members that are not said. */
function present<Said extends object>(said: Said): { [Name in keyof Said]: Exclude<Said[Name], undefined> } {
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined)) as never;
}

/** The list that a thing stands in. */
export function listOf({ kind, path }: Item): string {
  const depth = { project: 0, environment: 1, service: 2, app: 2, instance: 3 } as const;
  return listKey(kind, path.slice(0, depth[kind as keyof typeof depth] ?? 0));
}
