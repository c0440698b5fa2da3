/** Writes the generated user names where libnss-extrausers reads them. */
import { join } from 'node:path';
import { writeFileAtomically } from '../files/write-file.ts';
import type { NameFiles } from './names.ts';

/** shadow holds no password, but sshd's library wants it closed; passwd and group are for everybody. */
const modes: Readonly<Record<keyof NameFiles, number>> = { shadow: 0o600, group: 0o644, passwd: 0o644 };

/** passwd last: who is found there is found in the others too. */
export async function writeNames(folder: string, files: NameFiles): Promise<void> {
  for (const name of ['group', 'shadow', 'passwd'] as const) {
    await writeFileAtomically(join(folder, name), files[name], { mode: modes[name] });
  }
}
