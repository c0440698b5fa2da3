/** What a companion does first: its folders as they must be, and no other companion beside it. */
import { chmod } from 'node:fs/promises';
import { SallyportError } from '../errors/sallyport-error.ts';
import { type ProcessLock, tryProcessLock } from '../files/process-lock.ts';
import { ensurePrivateFolder } from '../files/write-file.ts';
import { type CompanionPaths, lockFile } from './paths.ts';

/** @throws in_use; file_refused */
export async function claimFolders(paths: CompanionPaths): Promise<ProcessLock> {
  await ensurePrivateFolder(paths.stateFolder);
  await ensurePrivateFolder(paths.runFolder, 0o711);
  // Whatever the umask was: sessions must get through to route.sock.
  await chmod(paths.runFolder, 0o711);
  await ensurePrivateFolder(paths.connections);
  const lock = tryProcessLock(lockFile(paths));
  if (lock) return lock;
  throw new SallyportError(
    'in_use',
    `Another companion runs with the folder ${paths.runFolder}. Stop it first.`,
  );
}
