/**
 * Which profile ssh goes by. The config that ssh includes says it in its first lines, so that what ssh does and what
 * `sally` says is one fact, replaced in one step; `~/.ssh/sallyport/profile` says it where no config is installed.
 */
import { closeSync, constants, existsSync, openSync, readFileSync } from 'node:fs';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { defaultProfile, isProfileName, type StatePaths, statePaths } from '../state-paths.ts';

/** The line of the config that names the profile; the default one is not named. */
export function profileMark(profile: string): string {
  return profile === defaultProfile ? '' : `# profile ${profile}\n`;
}

/** Where no profile is named for one command. */
export function activeProfile({ config, activeProfile: file }: StatePaths): string {
  const text = textAt(config);
  const name = text === undefined ? textAt(file)?.trim() : /^# profile ([a-z0-9-]+)$/m.exec(text)?.[1];
  return name !== undefined && isProfileName(name) ? name : defaultProfile;
}

/** The profile that a command is for. @throws not_found: the one that was named does not exist; settings_invalid */
export function profileInUse(home: string | undefined, named: string | undefined): string {
  const paths = statePaths(home, 'person', named);
  if (named === undefined) return activeProfile(paths);
  if (isProfile(paths)) return named;
  throw new SallyportError(
    'not_found',
    `There is no profile ${named}. To make it: sally profile add ${named} --server URL; to see yours: sally profile list`,
  );
}

export function isProfile({ profile, personOwn }: StatePaths): boolean {
  return profile === defaultProfile || existsSync(personOwn);
}

export function isActive(paths: StatePaths): boolean {
  return activeProfile(paths) === paths.profile;
}

/** Not through a link, and without waiting for a pipe; what cannot be read says nothing. */
function textAt(path: string): string | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  } finally {
    closeSync(file);
  }
}
