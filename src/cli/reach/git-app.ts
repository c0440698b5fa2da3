/** Which app a clone is of: its remotes name the project or the app, its branch names the environment. */
import { execFile } from 'node:child_process';
import type { SeenTarget } from '../../api/targets.ts';
import { hostSuffix } from '../ssh-config-text.ts';
import { appName } from './choose.ts';

export interface Clone {
  /** Their addresses, `origin` first. */
  readonly remotes: readonly string[];
  /** null: no branch is checked out. */
  readonly branch: string | null;
}

/** Branches from which production is usually deployed. */
const mainBranches = ['main', 'master', 'production', 'trunk'];
const patienceMilliseconds = 3_000;

/** Undefined where git knows of no clone, or is not there. */
export async function cloneIn(folder: string, environment: NodeJS.ProcessEnv): Promise<Clone | undefined> {
  if (folder === '') return undefined;
  const ask = (...args: string[]) => git(['-C', folder, ...args], environment);
  const urls = await ask('config', '--get-regexp', '^remote\\..*\\.url$');
  if (urls === undefined) return undefined;
  const remotes = urls
    .split('\n')
    .map((line) => /^remote\.(.*)\.url (.*)$/.exec(line))
    .filter((found) => found !== null)
    .map(([, name = '', url = '']) => ({ name, url }))
    .sort((one, other) => Number(other.name === 'origin') - Number(one.name === 'origin'))
    .map(({ url }) => url);
  const branch = await ask('symbolic-ref', '--quiet', '--short', 'HEAD');
  return { remotes, branch: branch?.trim() || null };
}

/** The targets of the one app that fits; none if several do or the clone says nothing. Pure. */
export function targetsOfClone(targets: readonly SeenTarget[], clone: Clone): readonly SeenTarget[] {
  for (const remote of clone.remotes) {
    const found = targetsOfRemote(targets, remote);
    const onBranch = isOneApp(found) ? found : onlyOfBranch(found, clone.branch);
    if (isOneApp(onBranch)) return onBranch;
  }
  return [];
}

function targetsOfRemote(targets: readonly SeenTarget[], remote: string): readonly SeenTarget[] {
  const { user, host, repository } = partsOf(remote);
  if (host.endsWith(`.${hostSuffix}`)) {
    const names = [user, host.slice(0, -hostSuffix.length - 1)];
    const its = targets.find(({ name }) => names.includes(name));
    return its ? targets.filter((target) => appName(target) === appName(its)) : [];
  }
  const byApp = targets.filter(({ app }) => app === repository);
  const byProject = targets.filter(({ project }) => project === repository);
  return byProject.length > 0 ? byProject : byApp;
}

function onlyOfBranch(targets: readonly SeenTarget[], branch: string | null): readonly SeenTarget[] {
  if (branch === null) return [];
  const slug = branch.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  const named = targets.filter(({ environment }) => environment === slug);
  if (named.length > 0 || !mainBranches.includes(branch)) return named;
  return targets.filter(({ environment_kind }) => environment_kind === 'production');
}

function isOneApp(targets: readonly SeenTarget[]): boolean {
  return new Set(targets.map(appName)).size === 1;
}

/** Of an address such as `https://host/a/b.git`, `ssh://user@host/b` or `user@host:a/b.git`. */
function partsOf(remote: string): { user: string; host: string; repository: string } {
  const url = URL.parse(remote);
  const [, user = '', host = '', path = ''] = url?.hostname
    ? ['', url.username, url.hostname, url.pathname]
    : (/^(?:([^@/:]+)@)?([^/:]+):(.*)$/.exec(remote) ?? []);
  const repository =
    path
      .replace(/\/+$/, '')
      .replace(/\.git$/, '')
      .split('/')
      .at(-1) ?? '';
  return { user, host, repository: repository.toLowerCase() };
}

function git(args: string[], environment: NodeJS.ProcessEnv): Promise<string | undefined> {
  return new Promise((resolve) => {
    const options = { env: environment, timeout: patienceMilliseconds, maxBuffer: 64 * 1024 };
    execFile('git', args, options, (error, stdout) => resolve(error ? undefined : stdout));
  });
}
