/**
 * The levels of a menu, pure: organization, project with environment, app, instance. A level with one entry is passed
 * by, down and up.
 */
import type { MenuTarget } from './menu-targets.ts';

export interface MenuEntry {
  readonly key: string;
  readonly label: string;
  readonly id: string;
  readonly state: string;
  readonly more: string;
  /** What lies behind it; one: choosing it is choosing that. */
  readonly targets: readonly [MenuTarget, ...MenuTarget[]];
}

interface Level {
  /** What its entries are. */
  readonly title: string;
  readonly keyOf: (target: MenuTarget) => string;
  readonly labelOf: (target: MenuTarget) => string;
  readonly moreOf: (target: MenuTarget) => string;
}

const levels: readonly [Level, Level, Level, Level] = [
  {
    title: 'Organization',
    keyOf: ({ organization }) => organization,
    labelOf: ({ organization }) => organization,
    moreOf: () => '',
  },
  {
    title: 'Project / environment',
    keyOf: ({ project, environment }) => `${project}/${environment}`,
    labelOf: ({ project, environment }) => `${project} / ${environment}`,
    moreOf: ({ environmentKind }) => environmentKind,
  },
  { title: 'App', keyOf: ({ app }) => app, labelOf: ({ app }) => app, moreOf: () => '' },
  {
    title: 'Instance',
    keyOf: ({ name }) => name,
    labelOf: ({ instance }) => instance,
    moreOf: ({ role }) => role,
  },
];

/** The keys of what was chosen, from the organization down. */
export type MenuPath = readonly string[];

export function levelOf(path: MenuPath): Level {
  return levels[path.length] ?? levels[3];
}

/** What was chosen so far, for people. */
export function crumbsOf(path: MenuPath, targets: readonly MenuTarget[]): string[] {
  const [first] = below(path, targets);
  return first === undefined ? [] : levels.slice(0, path.length).map(({ labelOf }) => labelOf(first));
}

/** In the order of their names. */
export function entriesAt(path: MenuPath, targets: readonly MenuTarget[]): MenuEntry[] {
  const level = levelOf(path);
  const groups = [...Map.groupBy(below(path, targets), level.keyOf)].sort(([a], [b]) => (a < b ? -1 : 1));
  return groups.flatMap(([key, [first, ...others]]) => {
    if (first === undefined) return [];
    const all = [first, ...others] as const;
    const isOne = others.length === 0;
    return {
      key,
      label: level.labelOf(first),
      id: isOne ? first.id : '',
      state: isOne ? first.state : `${running(all)} of ${all.length} running`,
      more: isOne ? level.moreOf(first) || first.role : level.moreOf(first),
      targets: all,
    };
  });
}

/** Down past levels with one entry; up from places that are no more. */
export function settled(path: MenuPath, targets: readonly MenuTarget[]): MenuPath {
  const entries = entriesAt(path, targets);
  if (entries.length === 0 && path.length > 0) return settled(path.slice(0, -1), targets);
  const [only, ...others] = entries;
  if (only === undefined || others.length > 0 || path.length >= levels.length - 1) return path;
  return settled([...path, only.key], targets);
}

/** The nearest place above where there is something to choose; the same place if there is none. */
export function above(path: MenuPath, targets: readonly MenuTarget[]): MenuPath {
  for (let length = path.length - 1; length >= 0; length -= 1) {
    const higher = path.slice(0, length);
    if (entriesAt(higher, targets).length > 1) return higher;
  }
  return path;
}

export function pathOfApp(target: MenuTarget): MenuPath {
  return levels.slice(0, 3).map(({ keyOf }) => keyOf(target));
}

function below(path: MenuPath, targets: readonly MenuTarget[]): readonly MenuTarget[] {
  return targets.filter((target) => path.every((key, index) => levels[index]?.keyOf(target) === key));
}

function running(targets: readonly MenuTarget[]): number {
  return targets.filter(({ state }) => state === 'running').length;
}
