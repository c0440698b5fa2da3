/** The folders of the state, private from their first moment, and the lock that writers take. */
import { stat } from 'node:fs/promises';
import { SallyportError } from '../errors/sallyport-error.ts';
import { type ProcessLock, tryProcessLock, waitForProcessLock } from '../files/process-lock.ts';
import { ensurePrivateFolder } from '../files/write-file.ts';
import type { StatePaths } from './state-paths.ts';

/** Longer than a renewal takes at a slow server. */
const lockPatienceMilliseconds = 60_000;

/** Creates or checks `~/.ssh`, `~/.ssh/sallyport` and what is below. @throws file_refused */
export async function prepareStateFolder(paths: StatePaths): Promise<void> {
  const home = await stat(paths.home).catch(() => undefined);
  if (!home?.isDirectory()) {
    throw new SallyportError(
      'file_refused',
      `The home folder ${paths.home} does not exist. Create it, or set HOME.`,
    );
  }
  for (const folder of [paths.sshFolder, paths.folder, paths.personOwn, paths.own, paths.pairs])
    await ensurePrivateFolder(folder);
}

/** Runs `work` while no other `sally` of this home does. @throws in_use */
export async function withStateLock<T>(paths: StatePaths, work: () => Promise<T>): Promise<T> {
  await prepareStateFolder(paths);
  const lock = await takingLock(paths, () => waitForProcessLock(paths.lock, lockPatienceMilliseconds));
  if (!lock) {
    throw new SallyportError(
      'in_use',
      'Another sally is still working on the same files. Try again in a minute.',
    );
  }
  return await holding(lock, work);
}

/** The same, but gives up at once, with undefined, if somebody else holds the lock. */
export async function withStateLockIfFree<T>(
  paths: StatePaths,
  work: () => Promise<T>,
): Promise<T | undefined> {
  await prepareStateFolder(paths);
  const lock = await takingLock(paths, async () => tryProcessLock(paths.lock));
  return lock && (await holding(lock, work));
}

async function holding<T>(lock: ProcessLock, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    lock.release();
  }
}

async function takingLock<T>(paths: StatePaths, take: () => Promise<T>): Promise<T> {
  try {
    return await take();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ELOOP' && code !== 'EISDIR') throw error;
    throw new SallyportError(
      'file_refused',
      `${paths.lock} is a symbolic link or a folder, expected a regular file. Move it away and try again.`,
    );
  }
}
