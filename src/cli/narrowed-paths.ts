/** Where the key and certificate lie that are narrowed to one environment: beside the general ones, with nothing shared. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EnvironmentName } from '../api/certificates.ts';
import { forgetSchedule } from './schedule.ts';
import type { StatePaths } from './state-paths.ts';

/** The same paths, but for what is one certificate's. The session and the lock stay those of the login. */
export function narrowedPaths(paths: StatePaths, narrowTo: EnvironmentName): StatePaths {
  const own = narrowedFolder(paths, narrowTo);
  return {
    ...paths,
    own,
    identity: join(own, 'identity.conf'),
    renewing: join(own, 'renewing'),
    renewAfter: join(own, 'renew-after'),
    pending: join(own, 'pending.json'),
    pairs: join(own, 'pairs'),
  };
}

export function narrowedFolder(
  { own }: Pick<StatePaths, 'own'>,
  { project, environment }: EnvironmentName,
): string {
  return join(own, 'environments', project, environment);
}

/** Every environment that a certificate was narrowed to here. */
export async function narrowedHere(paths: StatePaths): Promise<StatePaths[]> {
  const found: StatePaths[] = [];
  for (const project of await namesIn(environmentsFolder(paths))) {
    for (const environment of await namesIn(join(environmentsFolder(paths), project))) {
      found.push(narrowedPaths(paths, { project, environment }));
    }
  }
  return found;
}

/** After a login the next ssh to a host of theirs renews each: what is there may be of a session that has ended. */
export async function renewNarrowed(paths: StatePaths): Promise<void> {
  for (const each of await narrowedHere(paths)) await forgetSchedule(each);
}

export async function dropNarrowed(paths: StatePaths): Promise<void> {
  await rm(environmentsFolder(paths), { recursive: true, force: true });
}

function environmentsFolder({ own }: StatePaths): string {
  return join(own, 'environments');
}

async function namesIn(folder: string): Promise<string[]> {
  return await readdir(folder).catch(() => []);
}
