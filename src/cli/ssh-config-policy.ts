/** Whether a login may put its line into the person's own ssh config: as they have chosen for the profile. */
import { SallyportError } from '../errors/sallyport-error.ts';
import type { SallyContext } from './context.ts';
import { type ProfileSettings, readProfileSettings } from './profiles/profile-settings.ts';
import { hasIncludeLine } from './user-config.ts';

export type SshConfigPolicy = ProfileSettings['ssh_config'];

/** Asks where that is the policy and somebody is there; a line that is there already stays. */
export async function mayAddLine({ paths, ask, terminal }: SallyContext): Promise<boolean> {
  const { ssh_config: policy } = await readProfileSettings(paths);
  if (policy === 'yes' || (await hasIncludeLine(paths))) return true;
  if (policy === 'no') return false;
  if (!ask) {
    terminal.tell(
      'sally: nobody is there to ask about the ssh config. To add its line: sally ssh-config install',
    );
    return false;
  }
  const answer = (
    await ask(`Add one line at the top of ${paths.userConfig}, so that plain ssh works? [Y/n] `)
  ).trim();
  if (/^(y(es)?)?$/i.test(answer)) return true;
  if (/^no?$/i.test(answer)) return false;
  throw new SallyportError('settings_invalid', 'Answer with y or n. Nothing was done.');
}
