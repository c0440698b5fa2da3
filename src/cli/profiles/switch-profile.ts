/**
 * Makes another profile the one that ssh goes by. Each profile's files lie in its own folder, and the one file that ssh
 * includes names them: with its replacement the switch has happened as a whole, and before it nothing has. Connections
 * stay, logins too.
 */
import { lstat } from 'node:fs/promises';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { writeFileAtomically } from '../../files/write-file.ts';
import type { SallyContext } from '../context.ts';
import { useNoIdentity } from '../current-pair.ts';
import { forgetAgentKeys } from '../end-programs.ts';
import { sallyportConfigText } from '../ssh-config-text.ts';
import { filesOfSally } from '../ssh-configuration.ts';
import { withStateLock } from '../state-folder.ts';
import { type StatePaths, statePaths } from '../state-paths.ts';
import { activeProfile } from './active-profile.ts';
import { allProfiles } from './all-profiles.ts';

/** The steps in their order; a test ends the process after each. */
export const switchSteps = ['files-ready', 'profile-named', 'config-replaced', 'agent-emptied'] as const;
export type SwitchStep = (typeof switchSteps)[number];

/** @returns the profile that was active before */
export async function switchProfile(
  context: SallyContext,
  to: StatePaths,
  onStep: (step: SwitchStep) => void = () => {},
): Promise<string> {
  const from = activeProfile(to);
  await withLocks([statePaths(to.home, 'person', from), to], async () => {
    if (activeProfile(to) !== from) {
      throw new SallyportError(
        'in_use',
        'Another sally has just switched the profile. Look: sally profile list',
      );
    }
    await prepareFiles({ ...context, paths: to });
    onStep('files-ready');

    await writeFileAtomically(to.activeProfile, `${to.profile}\n`, { mode: 0o600 });
    onStep('profile-named');

    if (await exists(to.config))
      await writeFileAtomically(to.config, sallyportConfigText(to), { mode: 0o600 });
    onStep('config-replaced');
  });
  for (const other of await allProfiles(to)) {
    if (other.profile !== to.profile) await forgetAgentKeys({ ...context, paths: other });
  }
  onStep('agent-emptied');
  return from;
}

/** What the config will name; of a profile that nobody has logged in to, too. */
async function prepareFiles(context: SallyContext): Promise<void> {
  const { paths } = context;
  // Without this file ssh would offer the person's other keys.
  if (!(await exists(paths.identity))) await useNoIdentity(paths);
  for (const { path, text, mode } of filesOfSally(context)) {
    if (path !== paths.config) await writeFileAtomically(path, text, { mode });
  }
}

/** In the order of their names, so that two who switch do not wait for each other for ever. */
async function withLocks(two: readonly StatePaths[], work: () => Promise<void>): Promise<void> {
  const [first, second] = [...two].sort((a, b) => (a.profile < b.profile ? -1 : 1));
  if (!first || !second) return;
  if (first.profile === second.profile) return await withStateLock(first, work);
  await withStateLock(first, () => withStateLock(second, work));
}

async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}
