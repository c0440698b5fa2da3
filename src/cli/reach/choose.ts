/**
 * Which target is meant: by its name, one of its ids, its address, its instance, app or role, or by options. What fits
 * exactly beats what only begins so, and of several none is taken silently. Pure.
 */
import type { SeenTarget } from '../../api/targets.ts';
import { hostSuffix } from '../ssh-config-text.ts';

export interface Wanted {
  readonly name?: string | undefined;
  readonly project?: string | undefined;
  readonly environment?: string | undefined;
  readonly app?: string | undefined;
  /** Name, id or place in the list of an app's instances. */
  readonly instance?: string | undefined;
  /** Name or role of a worker; empty: any. */
  readonly worker?: string | undefined;
  readonly task?: string | undefined;
  /** A role, such as web, or a kind of instance. */
  readonly process?: string | undefined;
}

export type Choice =
  | { readonly kind: 'one'; readonly target: SeenTarget; readonly note?: string }
  /** instances: all of one app. */
  | {
      readonly kind: 'several';
      readonly of: 'targets' | 'instances';
      readonly targets: readonly SeenTarget[];
    }
  /** The app is there, and nothing runs of it. */
  | { readonly kind: 'empty'; readonly app: string }
  /** Among these there is not the instance that was named. */
  | { readonly kind: 'no-instance'; readonly targets: readonly SeenTarget[] }
  | { readonly kind: 'unknown' };

/** `<project>-<environment>--<app>` */
export function appName({ project, environment, app }: SeenTarget): string {
  return `${project}-${environment}--${app}`;
}

export function chooseTarget(
  seen: { readonly targets: readonly SeenTarget[]; readonly emptyApps: readonly string[] },
  wanted: Wanted,
): Choice {
  const candidates = matching(seen.targets, wanted);
  if (candidates.length === 0) {
    const app = emptyAppOf(seen.emptyApps, wanted);
    return app === undefined ? { kind: 'unknown' } : { kind: 'empty', app };
  }
  const { instance } = wanted;
  if (instance !== undefined) {
    const [target, ...more] = byInstance(candidates, instance);
    if (!target) return { kind: 'no-instance', targets: candidates };
    return more.length === 0 ? { kind: 'one', target } : several([target, ...more]);
  }
  const [only, ...others] = candidates;
  if (only && others.length === 0) return { kind: 'one', target: only };
  const isOneApp = new Set(candidates.map(appName)).size === 1;
  const [running, ...alsoRunning] = candidates.filter(({ state }) => state === 'running');
  if (isOneApp && running && alsoRunning.length === 0) {
    return { kind: 'one', target: running, note: `of ${candidates.length} the only one that runs` };
  }
  return several(candidates);
}

/** What a list of targets shows: workers and tasks too, unless it is about a name or an app. */
export function listed(targets: readonly SeenTarget[], wanted: Wanted): readonly SeenTarget[] {
  const isAboutOne = wanted.name !== undefined || wanted.app !== undefined;
  return isAboutOne ? matching(targets, wanted) : fitting(targets, wanted).targets;
}

/** What may be meant, in the order in which it is listed. */
export function matching(targets: readonly SeenTarget[], wanted: Wanted): readonly SeenTarget[] {
  const named = fitting(targets, wanted);
  const isAboutKind = [wanted.worker, wanted.task, wanted.process].some((text) => text !== undefined);
  if (named.isId || isAboutKind || wanted.instance !== undefined) return named.targets;
  // Who says only the app means what serves it; workers and tasks are asked for.
  const instances = named.targets.filter(({ kind }) => kind === 'instance');
  return instances.length > 0 ? instances : named.targets;
}

interface Fitting {
  readonly targets: readonly SeenTarget[];
  readonly isId: boolean;
}

function fitting(targets: readonly SeenTarget[], wanted: Wanted): Fitting {
  let found: readonly SeenTarget[] = [...targets].sort(inOrder);
  found = narrowed(found, wanted.project, ({ project }) => [project]);
  found = narrowed(found, wanted.environment, ({ environment }) => [environment]);
  found = narrowed(found, wanted.app, (target) => [target.app, appName(target)]);
  for (const kind of ['worker', 'task'] as const) {
    const name = wanted[kind];
    if (name === undefined) continue;
    found = found.filter((target) => target.kind === kind);
    if (name !== '') found = narrowed(found, name, ({ instance, role }) => [instance, role]);
  }
  found = narrowed(found, wanted.process, ({ role, kind, instance }) => [role, kind, instance]);
  return wanted.name === undefined ? { targets: found, isId: false } : byName(found, wanted.name);
}

function byName(targets: readonly SeenTarget[], text: string): Fitting {
  const name = text.endsWith(`.${hostSuffix}`) ? text.slice(0, -hostSuffix.length - 1) : text;
  const ids = exactly(targets, name, (target) => idsOf(target));
  // `shop-production--web` is the name of its only instance, and the beginning of several.
  if (ids.length > 0) return { targets: ids, isId: true };
  const places = exactly(targets, name, ({ address, instance }) => [address, instance]);
  const words = exactly(targets, name, (target) => [target.app, appName(target), target.role]);
  const exact = targets.filter((target) => places.includes(target) || words.includes(target));
  if (exact.length > 0) return { targets: exact, isId: words.length === 0 };
  const begins = beginning(targets, name, (target) => [
    target.name,
    target.instance,
    target.app,
    target.role,
  ]);
  return { targets: begins, isId: false };
}

/** By name or id, otherwise by its place in the list, which begins with 1. */
function byInstance(targets: readonly SeenTarget[], text: string): readonly SeenTarget[] {
  const named = exactly(targets, text, (target) => [target.instance, ...idsOf(target)]);
  if (named.length > 0) return named;
  const place = /^[1-9][0-9]{0,4}$/.test(text) ? targets[Number(text) - 1] : undefined;
  return place ? [place] : [];
}

type Keys = (target: SeenTarget) => readonly (string | null)[];

function narrowed(targets: readonly SeenTarget[], text: string | undefined, keys: Keys) {
  if (text === undefined) return targets;
  const exact = exactly(targets, text, keys);
  return exact.length > 0 ? exact : beginning(targets, text, keys);
}

function exactly(targets: readonly SeenTarget[], text: string, keys: Keys): readonly SeenTarget[] {
  return targets.filter((target) => keys(target).includes(text));
}

function beginning(targets: readonly SeenTarget[], text: string, keys: Keys): readonly SeenTarget[] {
  if (text === '') return [];
  return targets.filter((target) => keys(target).some((key) => key?.startsWith(text)));
}

function idsOf({ name, alias, number }: SeenTarget): readonly string[] {
  return [name, alias, String(number)];
}

function several(targets: readonly SeenTarget[]): Choice {
  const isOneApp = new Set(targets.map(appName)).size === 1;
  return { kind: 'several', of: isOneApp ? 'instances' : 'targets', targets };
}

/** The app without instances that is meant, if that is clear. */
function emptyAppOf(
  apps: readonly string[],
  { name, app, project, environment }: Wanted,
): string | undefined {
  const text = name ?? app;
  if (text === undefined) return undefined;
  const above = project !== undefined && environment !== undefined ? `${project}-${environment}` : undefined;
  const exact = apps.filter((full) => full === text);
  const short = apps.filter((full) => {
    const [before, slug] = full.split('--');
    return slug === text && (above === undefined || above === before);
  });
  const [found, ...more] = exact.length > 0 ? exact : short;
  return more.length === 0 ? found : undefined;
}

const collator = new Intl.Collator('en', { numeric: true });

/** Instances before workers and tasks, and the second before the tenth. */
function inOrder(one: SeenTarget, other: SeenTarget): number {
  const kinds = ['instance', 'worker', 'task'];
  const byApp = collator.compare(appName(one), appName(other));
  return (
    byApp || kinds.indexOf(one.kind) - kinds.indexOf(other.kind) || collator.compare(one.name, other.name)
  );
}
