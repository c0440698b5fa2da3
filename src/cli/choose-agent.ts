/** `sally login --add-to-agent` and `--no-add-to-agent`: whether the person's ssh-agent gets the keys, from now on. */
import { isAbsolute } from 'node:path';
import { SallyportError } from '../errors/sallyport-error.ts';
import { addToAgent, chosenAgent } from './added-keys.ts';
import type { SallyContext } from './context.ts';
import type { CurrentPair } from './current-pair.ts';
import { forgetAgentKeys } from './end-programs.ts';
import { changeProfileSettings } from './profiles/profile-settings.ts';
import { withStateLock } from './state-folder.ts';

/** Before the login. @param wanted undefined: as it was @throws settings_invalid */
export async function chooseAgent(context: SallyContext, wanted: boolean | undefined): Promise<void> {
  if (wanted === undefined) return;
  const { paths, environment } = context;
  const socket = environment.forPrograms?.['SSH_AUTH_SOCK'];
  if (wanted && !(socket && isAbsolute(socket))) {
    throw new SallyportError(
      'settings_invalid',
      '--add-to-agent needs an agent: SSH_AUTH_SOCK is not set. Start one with: eval "$(ssh-agent)"',
    );
  }
  await withStateLock(paths, async () => {
    if (!wanted) await forgetAgentKeys(context);
    await changeProfileSettings(paths, { agent: (wanted && socket) || null });
  });
}

/** After it: what became of that. */
export async function tellAdded(
  context: SallyContext,
  pair: CurrentPair | undefined,
  wanted: boolean | undefined,
): Promise<void> {
  const socket = await chosenAgent(context);
  if (!wanted || !pair || socket === undefined) return;
  const isThere = await withStateLock(context.paths, () => addToAgent(context, pair, socket));
  context.terminal.print(
    isThere
      ? 'Your ssh-agent holds the key until its certificate ends; each renewal replaces it.'
      : 'Your ssh-agent gets the key as soon as there is a host of yours that it is good for.',
  );
}
