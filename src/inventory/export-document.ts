/**
 * The inventory as a document. What is as it would be if nobody said anything is left out, but for what an environment
 * demands: that stands there whatever it is. Applied again it changes nothing; applied to an empty organization it makes
 * the same. Reported instances are not in it. Pure.
 */
import { isDeepStrictEqual } from 'node:util';
import type { InventoryDocument } from '../api/inventory-document.ts';
import { type InventoryKind, inventoryDefaults, type MembersOf } from '../api/inventory-members.ts';
import type { Item } from './kinds/kind-store.ts';

export function documentOf(items: readonly Item[], domains: readonly string[]): InventoryDocument {
  const tree = new Tree(items);
  const [organization] = tree.of('organization');
  const [policy] = tree.of('login_policy');
  return {
    organization: {
      slug: organization?.name ?? '',
      domains: [...domains],
      ...(organization?.members ?? {}),
    },
    ...(policy ? { login_policy: policy.members } : {}),
    gateways: tree.of('gateway').map(({ name, members }) => ({
      name,
      ...unusual('gateway', members),
      address: members.address,
    })),
    hosts: tree
      .of('host')
      .map(({ name, members }) => ({ name, ...unusual('host', members), address: members.address })),
    access_rules: tree.of('access_rule').map(({ members }) => ruleOf(members)),
    projects: tree.of('project').map(({ path, members }) => ({
      slug: last(path),
      ...unusual('project', members),
      environments: tree.below('environment', path).map((environment) => environmentOf(tree, environment)),
    })),
  };
}

type Environment = NonNullable<NonNullable<InventoryDocument['projects']>[number]['environments']>[number];
type Rule = NonNullable<InventoryDocument['access_rules']>[number];

function environmentOf(tree: Tree, { path, members }: Item<'environment'>): Environment {
  const { kind, mfa_required, mfa_max_age_seconds, mfa_enforcement, people_only, access } = members;
  return {
    slug: last(path),
    kind,
    mfa_required,
    mfa_max_age_seconds,
    mfa_enforcement,
    people_only,
    access,
    ...unusual('environment', members),
    services: tree.below('service', path).map(({ path, members }) => {
      const { kind, address, port } = members;
      return { slug: last(path), kind, address, port, ...unusual('service', members) };
    }),
    apps: tree.below('app', path).map(({ path, members }) => {
      const instances = tree.below('instance', path).map(({ path, members }) => ({
        ...(path.length > 3 ? { slug: last(path) } : {}),
        ...unusual('instance', members),
        address: members.address,
        login: members.login,
      }));
      const named = { slug: last(path), ...unusual('app', members) };
      // Without any they may be reported: then they are none of the document's business.
      return instances.length > 0 ? { ...named, instances } : named;
    }),
  };
}

function ruleOf({ group, account, role, project, environment, expires_at }: MembersOf<'access_rule'>): Rule {
  return {
    ...(group === null ? {} : { group }),
    ...(account === null ? {} : { account }),
    role,
    ...(project === null ? {} : { project }),
    ...(environment === null ? {} : { environment }),
    ...(expires_at === null ? {} : { expires_at }),
  };
}

function unusual<Kind extends InventoryKind>(kind: Kind, members: MembersOf<Kind>): Partial<MembersOf<Kind>> {
  const usual: Readonly<Record<string, unknown>> = inventoryDefaults[kind];
  const entries = Object.entries(members).filter(
    ([name, value]) => !(Object.hasOwn(usual, name) && isDeepStrictEqual(value, usual[name])),
  );
  return Object.fromEntries(entries) as Partial<MembersOf<Kind>>;
}

function last(path: readonly string[]): string {
  return path.at(-1) ?? '';
}

class Tree {
  readonly #items: readonly Item[];

  constructor(items: readonly Item[]) {
    this.#items = items;
  }

  of<Kind extends InventoryKind>(kind: Kind): Item<Kind>[] {
    return this.#items.filter((item): item is Item<Kind> => item.kind === kind);
  }

  below<Kind extends InventoryKind>(kind: Kind, path: readonly string[]): Item<Kind>[] {
    return this.of(kind).filter((item) => path.every((slug, at) => item.path[at] === slug));
  }
}
