import type { SallyContext } from '../context.ts';
import { changeProfileSettings } from '../profiles/profile-settings.ts';
import { prepareStateFolder } from '../state-folder.ts';
import { readCaFile } from './ca-file.ts';

/**
 * `sally login --ca-file FILE` and `--no-ca-file`: whose word counts for this login and, once it has succeeded, from now
 * on. A login that failed, or that somebody broke off, leaves nobody believing whom they did not believe before.
 * @param wanted false: the authorities that this machine trusts; undefined: as it was
 * @throws file_refused, and whatever the login throws
 */
export async function withCaFile<Result>(
  context: SallyContext,
  wanted: string | false | undefined,
  logIn: (context: SallyContext) => Promise<Result>,
): Promise<Result> {
  if (wanted === undefined) return await logIn(context);
  const ca_file = wanted === false ? null : (await readCaFile(wanted)).path;
  await prepareStateFolder(context.paths);
  const result = await logIn({ ...context, caFile: ca_file });
  await changeProfileSettings(context.paths, { ca_file });
  return result;
}
