import type { SallyContext } from '../context.ts';
import { changeProfileSettings, readProfileSettings } from '../profiles/profile-settings.ts';
import { prepareStateFolder } from '../state-folder.ts';
import { readCaFile } from './ca-file.ts';

/**
 * `sally login --ca-file FILE` and `--no-ca-file`: whose word counts for this login and, if it succeeds, from now on. A
 * login that failed leaves nobody believing whom they did not believe before.
 * @param wanted false: the authorities that this machine trusts; undefined: as it was
 * @throws file_refused, and whatever the login throws
 */
export async function withCaFile<Result>(
  { paths, debug }: SallyContext,
  wanted: string | false | undefined,
  logIn: () => Promise<Result>,
): Promise<Result> {
  if (wanted === undefined) return await logIn();
  const ca_file = wanted === false ? null : (await readCaFile(wanted)).path;
  await prepareStateFolder(paths);
  const { ca_file: before } = await readProfileSettings(paths);
  await changeProfileSettings(paths, { ca_file });
  try {
    return await logIn();
  } catch (error) {
    // Unless somebody has chosen another one meanwhile.
    await changeProfileSettings(paths, (now) => (now.ca_file === ca_file ? { ca_file: before } : {})).catch(
      (trouble: unknown) => debug.say(`the CA file of before could not be put back: ${trouble}`),
    );
    throw error;
  }
}
