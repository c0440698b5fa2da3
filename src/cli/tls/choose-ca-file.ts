import type { SallyContext } from '../context.ts';
import { changeProfileSettings } from '../profiles/profile-settings.ts';
import { prepareStateFolder } from '../state-folder.ts';
import { readCaFile } from './ca-file.ts';

/**
 * `sally login --ca-file FILE` and `--no-ca-file`: whose word counts for this login and from now on.
 * @param wanted false: the authorities that this machine trusts; undefined: as it was
 * @throws file_refused
 */
export async function chooseCaFile(
  { paths }: SallyContext,
  wanted: string | false | undefined,
): Promise<void> {
  if (wanted === undefined) return;
  const ca_file = wanted === false ? null : (await readCaFile(wanted)).path;
  await prepareStateFolder(paths);
  await changeProfileSettings(paths, { ca_file });
}
