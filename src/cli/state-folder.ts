/** The folders of the state, private from their first moment, and the lock that writers take. */
import { mkdir, stat } from 'node:fs/promises';
import { SallyportError } from '../errors/sallyport-error.ts';
import { type ProcessLock, tryProcessLock } from '../files/process-lock.ts';
import { ensurePrivateFolder } from '../files/write-file.ts';
import { hasRecordLocks, tryLinkLock } from './link-lock.ts';
import { defaultProfile, type StatePaths } from './state-paths.ts';

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
  refuseOthersHome(paths, home.uid);
  const { sshFolder, folder: state, profiles, personOwn, own, pairs, profile } = paths;
  const ofProfile = profile === defaultProfile ? [] : [profiles, personOwn];
  for (const folder of [sshFolder, state, ...ofProfile, own, pairs]) {
    // mkdir(2) says more of a folder that cannot be made than a mkdir of its parents too.
    await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST' && error.code !== 'ENOENT') throw error;
    });
    await ensurePrivateFolder(folder);
  }
}

/** As with `sudo` that keeps HOME: files of root in it would lock the person out. */
function refuseOthersHome({ home, own, machineOwn }: StatePaths, owner: number): void {
  const isMachine = own === machineOwn;
  if (isMachine || process.getuid?.() !== 0 || owner === 0) return;
  throw new SallyportError(
    'file_refused',
    `You are root, and ${home} belongs to another user (uid ${owner}). Nothing was written. Run it without sudo; or, for root's own login, with HOME=/root before it.`,
  );
}

/** Runs `work` while no other `sally` of this home does. @throws in_use */
export async function withStateLock<T>(paths: StatePaths, work: () => Promise<T>): Promise<T> {
  await prepareStateFolder(paths);
  return await underLock(paths, work);
}

/**
 * For what is read, changed and written in a moment, also by somebody who holds the lock above; whoever holds this one
 * wants no other. The folder is there. @throws in_use, file_refused
 */
export async function withSettingsLock<T>(paths: StatePaths, work: () => Promise<T>): Promise<T> {
  refuseOthersHome(paths, (await stat(paths.home)).uid);
  return await underLock({ ...paths, own: paths.personOwn, lock: paths.settingsLock }, work);
}

async function underLock<T>(paths: StatePaths, work: () => Promise<T>): Promise<T> {
  const lock = await takingLock(paths, () => waitForLock(paths));
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
  const lock = await takingLock(paths, async () => tryLock(paths));
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
    const { code, errcode = 0 } = error as NodeJS.ErrnoException & { errcode?: number };
    const trouble = sqliteTroubles[errcode & 0xff];
    if (trouble !== undefined)
      throw Object.assign(new Error(trouble), { code: trouble, path: paths.lock, syscall: 'lock' });
    if (code !== 'ELOOP' && code !== 'EISDIR') throw error;
    throw new SallyportError(
      'file_refused',
      `${paths.lock} is a symbolic link or a folder, expected a regular file. Move it away and try again.`,
    );
  }
}

/** SQLITE_READONLY, SQLITE_FULL and SQLITE_CANTOPEN, as what the file system said. */
const sqliteTroubles: Readonly<Record<number, string>> = { 8: 'EROFS', 13: 'ENOSPC', 14: 'EACCES' };

async function waitForLock(paths: StatePaths): Promise<ProcessLock | undefined> {
  const deadline = Date.now() + lockPatienceMilliseconds;
  const take = lockTaker(paths);
  for (;;) {
    const lock = take();
    if (lock || Date.now() >= deadline) return lock;
    // The kernel tells nobody when a record lock falls, so this polls.
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}

function tryLock(paths: StatePaths): ProcessLock | undefined {
  return lockTaker(paths)();
}

/** Somebody holds the lock, or the file system has no such locks, which looks the same until it is tried. */
function lockTaker({ lock: path, own }: StatePaths): () => ProcessLock | undefined {
  let hasLocks: boolean | undefined;
  return () => {
    const lock = hasLocks === false ? undefined : tryProcessLock(path);
    if (lock) return lock;
    hasLocks ??= hasRecordLocks(own);
    return hasLocks ? undefined : tryLinkLock(path);
  };
}
