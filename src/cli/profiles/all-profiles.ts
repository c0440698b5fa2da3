import { readdir } from 'node:fs/promises';
import { defaultProfile, isProfileName, type StatePaths, statePaths } from '../state-paths.ts';

/** Every profile of the person, the default one first. */
export async function allProfiles({ home, profiles }: StatePaths): Promise<StatePaths[]> {
  const names = await readdir(profiles).catch(() => []);
  const others = names.filter((name) => isProfileName(name) && name !== defaultProfile).sort();
  return [defaultProfile, ...others].map((name) => statePaths(home, 'person', name));
}
