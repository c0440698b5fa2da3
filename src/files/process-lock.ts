/**
 * A lock between processes that dies with its holder. Node has no flock, but SQLite's exclusive transaction is a POSIX
 * record lock on the file: the kernel drops it when the process ends, however it ends, so there is no stale lock to
 * guess about. The file stays empty and is never deleted (deleting a locked file would let two holders in).
 */
import { closeSync, constants, lstatSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { SallyportError } from '../errors/sallyport-error.ts';

export interface ProcessLock {
  release(): void;
}

const sqliteBusy = 5;

/**
 * Takes the lock at once, or returns undefined if another process (or another call here) holds it.
 * @throws file_refused if `path` is anything but a regular file
 */
export function tryProcessLock(path: string): ProcessLock | undefined {
  ensureLockFile(path);
  const database = new DatabaseSync(path);
  try {
    database.exec('pragma busy_timeout = 0');
    database.exec('begin exclusive');
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === sqliteBusy) return undefined;
    throw error;
  }
  return { release: () => database.close() };
}

/**
 * A file that is there already is not opened: a process that closes any descriptor of a file loses all its record locks
 * on it (POSIX fcntl), so a second call would take the lock away from the first.
 */
function ensureLockFile(path: string): void {
  try {
    closeSync(openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    if (lstatSync(path).isFile()) return;
    throw new SallyportError(
      'file_refused',
      `${path} is not a regular file (a symbolic link?). Move it away and try again.`,
    );
  }
}

/** Waits for the lock up to `patienceMilliseconds`, then returns undefined. */
export async function waitForProcessLock(
  path: string,
  patienceMilliseconds: number,
): Promise<ProcessLock | undefined> {
  const deadline = Date.now() + patienceMilliseconds;
  for (;;) {
    const lock = tryProcessLock(path);
    if (lock || Date.now() >= deadline) return lock;
    // The kernel tells nobody when a record lock falls, so this polls.
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}
