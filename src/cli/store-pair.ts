/** Puts a pair into its own folder, and takes old ones away when no ssh can be reading them any more. */
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { flushFolder, writeFileAtomically } from '../files/write-file.ts';
import { certificateFile, keyFile, readPair } from './current-pair.ts';
import type { StatePaths } from './state-paths.ts';

const keptSeconds = 24 * 3600;

/** The folder `pairs/<id>` comes into being with both files in it, or not at all. */
export async function storePair(
  paths: StatePaths,
  pair: { readonly id: string; readonly privateKey: string; readonly certificate: string },
): Promise<void> {
  if (await readPair(paths, pair.id)) return; // stored before a crash
  const beside = join(paths.pairs, `.${pair.id}`);
  for (const leftover of [beside, join(paths.pairs, pair.id)])
    await rm(leftover, { recursive: true, force: true });
  await mkdir(beside, { mode: 0o700 });
  await writeFileAtomically(join(beside, keyFile), pair.privateKey, { mode: 0o600 });
  await writeFileAtomically(join(beside, certificateFile), `${pair.certificate.trimEnd()}\n`, {
    mode: 0o600,
  });
  await rename(beside, join(paths.pairs, pair.id));
  await flushFolder(paths.pairs);
}

/** Deletes pairs that were replaced more than a day ago. */
export async function dropOldPairs(paths: StatePaths, currentId: string, nowSeconds: number): Promise<void> {
  for (const name of await readdir(paths.pairs)) {
    if (name === currentId) continue;
    const folder = join(paths.pairs, name);
    const found = await stat(folder).catch(() => undefined);
    if (found && found.mtimeMs / 1000 + keptSeconds < nowSeconds)
      await rm(folder, { recursive: true, force: true });
  }
}

export async function dropAllPairs(paths: StatePaths): Promise<void> {
  for (const name of await readdir(paths.pairs))
    await rm(join(paths.pairs, name), { recursive: true, force: true });
}
