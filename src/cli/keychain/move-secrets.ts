import type { SallyContext } from '../context.ts';
import {
  changeProfileSettings,
  type ProfileSettings,
  readProfileSettings,
} from '../profiles/profile-settings.ts';
import { readSession, writeSession } from '../session-file.ts';
import { prepareStateFolder, withStateLock } from '../state-folder.ts';
import { forgetSecrets, keyToSealWith } from './seal-secrets.ts';

/**
 * Where the profile keeps its secrets from now on, those of the present login too. The new place is tried first, and the
 * old one emptied last.
 * @throws keychain_failed: everything is as it was
 */
export async function moveSecrets(context: SallyContext, secrets: ProfileSettings['secrets']): Promise<void> {
  const { paths } = context;
  await withStateLock(paths, async () => {
    if (secrets === 'keychain') await keyToSealWith(context);
    const session = await readSession(context);
    if (session) await writeSession(context, { ...session, secrets });
    await changeProfileSettings(paths, { secrets });
    if (secrets === 'file' && session?.secrets === 'keychain') await forgetSecrets(context);
  });
}

/** What a login is told about it. A session that the keychain does not give any more is about to be replaced. */
export async function chooseSecrets(context: SallyContext, keychain: boolean | undefined): Promise<void> {
  await prepareStateFolder(context.paths);
  const { secrets } = await readProfileSettings(context.paths);
  const wanted = keychain === undefined ? secrets : keychain ? 'keychain' : 'file';
  // Before the person does anything at the browser.
  if (wanted === 'keychain') await keyToSealWith(context);
  if (keychain === undefined || wanted === secrets) return;
  await moveSecrets(context, wanted).catch(async (error) => {
    if (wanted === 'keychain') throw error;
    context.debug.say(`the earlier login stays sealed: ${error}`);
    await withStateLock(context.paths, () => changeProfileSettings(context.paths, { secrets: wanted }));
  });
}
