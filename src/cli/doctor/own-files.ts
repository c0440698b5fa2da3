/** Whether what ssh reads below `~/.ssh/sallyport` is there, and is what this sally would write. */
import { constants } from 'node:fs';
import { access, lstat, readFile } from 'node:fs/promises';
import type { SallyContext } from '../context.ts';
import { filesOfSally } from '../ssh-configuration.ts';
import { type Finding, ok, unknown } from './finding.ts';

export interface OwnFileFacts {
  readonly path: string;
  readonly state: 'good' | 'missing' | 'changed' | 'not a file';
}

export interface OwnFilesFacts {
  readonly files: readonly OwnFileFacts[];
  readonly isInstalled: boolean;
  /** What the fast path starts, where that is not there any more. */
  readonly missingProgram: string | null;
}

export async function gatherOwnFiles(context: SallyContext, isInstalled: boolean): Promise<OwnFilesFacts> {
  const { paths } = context;
  const files: OwnFileFacts[] = [];
  for (const { path, text } of filesOfSally(context)) {
    files.push({ path, state: await stateOf(path, text) });
  }
  for (const path of [paths.hosts, paths.knownHosts]) files.push({ path, state: await stateOf(path) });
  const script = await readFile(paths.fresh, 'utf8').catch(() => '');
  let missingProgram: string | null = null;
  for (const [, path = ''] of script.matchAll(/^(?:node|sally)='([^']+)'$/gm)) {
    const isThere = await access(path, constants.R_OK).then(
      () => true,
      () => false,
    );
    if (!isThere) missingProgram ??= path;
  }
  return { files, isInstalled, missingProgram };
}

export function judgeOwnFiles({ files, isInstalled, missingProgram }: OwnFilesFacts): Finding[] {
  const bad = files.filter(({ state }) => state !== 'good');
  if (!isInstalled && bad.every(({ state }) => state === 'missing')) {
    return [unknown('files', 'our part of the ssh config is not installed')];
  }
  const found: Finding[] = bad.map(({ path, state }) => ({
    check: 'files',
    // What an older sally has written is renewed with the next login or renewal.
    outcome: state === 'changed' ? 'warning' : 'problem',
    says: means[state as Exclude<OwnFileFacts['state'], 'good'>](path),
    fix: 'sally ssh-config install',
    ...(state !== 'not a file' && { repair: { kind: 'own-files' } }),
  }));
  if (missingProgram !== null) {
    found.push({
      check: 'files',
      outcome: 'problem',
      says: `What ssh starts to renew the certificate is gone: ${missingProgram}. It is renewed no more.`,
      fix: 'sally ssh-config install',
      repair: { kind: 'own-files' },
    });
  }
  return found.length > 0 ? found : [ok('files', 'our part of the ssh config is as this sally writes it')];
}

const means = {
  missing: (path: string) => `${path} is missing, and ssh says nothing about it.`,
  changed: (path: string) =>
    `${path} is not as this sally writes it: it was changed, or is of another version.`,
  'not a file': (path: string) => `${path} is not a regular file. Move it away.`,
} as const;

/** @param expected absent: what is in it is the server's to say */
async function stateOf(path: string, expected?: string): Promise<OwnFileFacts['state']> {
  const found = await lstat(path).catch(() => undefined);
  if (!found) return 'missing';
  if (!found.isFile()) return 'not a file';
  const text = await readFile(path, 'utf8').catch(() => '');
  return expected === undefined || text === expected ? 'good' : 'changed';
}
