/**
 * From what the person has typed, or the folder that they are in, to one target. Who is at a terminal is asked where
 * several fit; a script is told them all, with what to add.
 */
import type { SeenTarget } from '../../api/targets.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import type { Ask, SallyContext } from '../context.ts';
import { printable } from '../printable.ts';
import { type Terminal, tableLines } from '../terminal.ts';
import { type Choice, chooseTarget, matching, type Wanted } from './choose.ts';
import { cloneIn, targetsOfClone } from './git-app.ts';
import { findLink } from './linked-app.ts';
import type { Seen } from './seen-targets.ts';

export interface Selection extends Wanted {
  /** Of several the first that would let one in. */
  readonly any?: boolean | undefined;
}

/** @throws access_denied: there is nothing; not_found; name_refused: several fit, and nobody is there to choose */
export async function findTarget(
  context: SallyContext,
  seen: Seen,
  selection: Selection,
): Promise<SeenTarget> {
  requireAnything(seen);
  const wanted = await withApp(context, seen, selection);
  const choice = chooseTarget(seen, wanted);
  const { debug, terminal } = context;
  switch (choice.kind) {
    case 'one':
      debug.say(`the target is ${choice.target.name}${choice.note ? `: ${choice.note}` : ''}`);
      if (choice.note) terminal.tell(`sally: ${choice.target.name}, ${choice.note}`);
      return choice.target;
    case 'several':
      if (selection.any) return firstOf(context, choice.targets);
      return await chosen(context, choice);
    default:
      throw nothing(choice, wanted);
  }
}

/** All that fit, in their order. @throws like findTarget where there are none */
export async function findTargets(
  context: SallyContext,
  seen: Seen,
  selection: Selection,
): Promise<readonly SeenTarget[]> {
  requireAnything(seen);
  const wanted = await withApp(context, seen, selection);
  const found = matching(seen.targets, wanted);
  if (found.length === 0) throw nothing(chooseTarget(seen, wanted), wanted);
  return found;
}

/** The app of the folder, where neither a name nor an app was said. */
export async function withApp(context: SallyContext, seen: Seen, selection: Selection): Promise<Wanted> {
  if (selection.name !== undefined || selection.app !== undefined) return selection;
  const found = await appOfFolder(context, seen);
  if (!found) return selection;
  // What was said counts for more, as of an app that is there in several environments.
  const { source, ...app } = found;
  const wanted = { ...selection };
  for (const part of ['project', 'environment', 'app'] as const) wanted[part] ??= app[part];
  const name = `${wanted.project}-${wanted.environment}--${wanted.app}`;
  context.terminal.tell(`sally: the app is ${name} (${printable(source)})`);
  return wanted;
}

export interface AppOfFolder {
  readonly project: string;
  readonly environment: string;
  readonly app: string;
  /** How that is known. */
  readonly source: string;
}

async function appOfFolder(context: SallyContext, seen: Seen): Promise<AppOfFolder | undefined> {
  const { environment, debug } = context;
  const folder = environment.folder ?? '';
  const link = await findLink(folder);
  if (link) return { ...link.app, source: `linked by ${link.path}` };
  const clone = await cloneIn(folder, environment.forPrograms ?? {});
  if (!clone) return undefined;
  const [target] = targetsOfClone(seen.targets, clone);
  if (!target) {
    debug.say('the remotes and the branch of this clone name no one app');
    return undefined;
  }
  const { project, environment: slug, app } = target;
  const branch = clone.branch === null ? 'no branch' : `branch ${clone.branch}`;
  return { project, environment: slug, app, source: `by the remotes of this clone and its ${branch}` };
}

function firstOf({ terminal }: SallyContext, targets: readonly SeenTarget[]): SeenTarget {
  const [first] = [...targets.filter(({ allowed }) => allowed), ...targets];
  if (!first) throw new TypeError('none of several');
  terminal.tell(`sally: ${first.name}, the first of ${targets.length}`);
  return first;
}

/** How often somebody may mistype. */
const mostAnswers = 3;

async function chosen(
  context: SallyContext,
  { targets, of }: Extract<Choice, { kind: 'several' }>,
): Promise<SeenTarget> {
  const { ask, terminal } = context;
  const lines = candidateLines(targets);
  if (!ask) {
    throw new SallyportError(
      'name_refused',
      of === 'instances'
        ? `There are several instances. Name one by its name, its id or its number here with --instance, or take any with --any:\n${lines.join('\n')}`
        : `Several targets fit. Name one of them, or take any with --any:\n${lines.join('\n')}`,
    );
  }
  return await askWhich(terminal, ask, lines, (answer) => {
    const choice = chooseTarget({ targets, emptyApps: [] }, { instance: answer });
    return choice.kind === 'one' ? choice.target : undefined;
  });
}

/** Under a head the lines among which somebody is to choose, numbered. @throws name_refused: nothing was chosen */
export async function askWhich<T>(
  terminal: Terminal,
  ask: Ask,
  lines: readonly string[],
  meant: (answer: string) => T | undefined,
): Promise<T> {
  for (const line of lines) terminal.tell(line);
  for (let answers = 0; answers < mostAnswers; answers += 1) {
    const answer = (await ask(`Which one? [1-${lines.length - 1}, q to quit] `)).trim();
    if (answer === 'q' || answer === '') break;
    const found = meant(answer);
    if (found !== undefined) return found;
    terminal.tell('That is none of them.');
  }
  throw new SallyportError('name_refused', 'Nothing was chosen, nothing was done.');
}

/** Numbered as --instance and the question count them. */
export function candidateLines(targets: readonly SeenTarget[]): string[] {
  const rows = targets.map(({ name, alias, state, kind, role }, at) => [
    String(at + 1),
    printable(name),
    alias,
    state,
    kind === 'instance' ? printable(role ?? '') : kind,
  ]);
  const lines = tableLines(['', 'TARGET', 'ID', 'STATE', 'ROLE'], rows);
  return [...lines.head, ...lines.rows];
}

function requireAnything({ targets, emptyApps, account }: Seen): void {
  if (targets.length > 0 || emptyApps.length > 0) return;
  throw new SallyportError(
    'access_denied',
    `${account} has no access to anything: there is no role on any project or environment. Ask an admin for one.`,
  );
}

function nothing(choice: Choice, { instance, name }: Wanted): SallyportError {
  if (choice.kind === 'empty') {
    return new SallyportError(
      'not_found',
      `${choice.app} has no instances now. You have a role there; when one is started: sally ls`,
    );
  }
  if (choice.kind === 'no-instance') {
    return new SallyportError(
      'not_found',
      `There is no instance ${JSON.stringify(printable(instance ?? ''))}. There are:\n${candidateLines(choice.targets).join('\n')}`,
    );
  }
  const what = name === undefined ? 'Nothing fits' : `There is no target ${JSON.stringify(printable(name))}`;
  return new SallyportError(
    'not_found',
    `${what} that you have a role on. Those that you may see: sally ls. To say which app this folder is of: sally link NAME`,
  );
}

/** @throws insufficient_user_authentication if a login would help; access_denied with the reason */
export function requireAllowed(target: Pick<SeenTarget, 'name' | 'allowed' | 'reason' | 'command'>): void {
  const { allowed, reason, command, name } = target;
  if (allowed) return;
  const message = `${name}: ${printable(reason?.message ?? 'access denied')}`;
  const isAboutMfa = reason?.code === 'mfa_missing' || reason?.code === 'mfa_too_old';
  const [, login, age] = /^sally login( --mfa)(?: --max-age ([0-9]{1,9}))?$/.exec(command ?? '') ?? [];
  if (isAboutMfa && login) {
    const members = { acr_values: 'mfa', ...(age !== undefined && { max_age: Number(age) }) };
    throw new SallyportError('insufficient_user_authentication', message, { members });
  }
  throw new SallyportError(
    'access_denied',
    `${message}${command === null ? '' : ` Run: ${printable(command)}`}`,
  );
}
