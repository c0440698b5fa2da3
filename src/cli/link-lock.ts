/**
 * A lock for home folders on a file system without record locks (NFS without its lock service): link(2) is atomic there
 * too. Unlike a record lock it outlives its holder, so that a stale one is told by its process or its age.
 */
import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, renameSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { type ProcessLock, tryProcessLock } from '../files/process-lock.ts';

/** Longer than anything that is done under the lock. */
const longestMilliseconds = 5 * 60_000;

/** Whether the kernel locks files in this folder: one that nobody else knows of can only be busy where it does not. */
export function hasRecordLocks(folder: string): boolean {
  const path = join(folder, `.lock-${randomBytes(6).toString('hex')}`);
  try {
    const lock = tryProcessLock(path);
    lock?.release();
    return lock !== undefined;
  } finally {
    remove(path);
  }
}

/** Takes the lock at once, or returns undefined if somebody else holds it. */
export function tryLinkLock(path: string): ProcessLock | undefined {
  const held = `${path}.held`;
  const own = join(dirname(path), `.lock-${randomBytes(6).toString('hex')}`);
  writeFileSync(own, `${hostname()} ${process.pid}\n`, { flag: 'wx', mode: 0o600 });
  try {
    if (isLinked(own, held)) return { release: () => remove(held) };
    // Before it is looked at: who takes it over meanwhile has a live lock under the same name.
    const before = inodeOf(held);
    if (!isStale(held)) return undefined;
    const aside = `${own}.stale`;
    renameSync(held, aside);
    // Another one was faster, and this is its lock.
    if (inodeOf(aside) !== before) isLinked(aside, held);
    remove(aside);
    return isLinked(own, held) ? { release: () => remove(held) } : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  } finally {
    remove(own);
  }
}

/** A reply of the file server may be lost and the link be there all the same. */
function isLinked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch {
    return inodeOf(to) === inodeOf(from);
  }
}

function isStale(held: string): boolean {
  const [host, pid] = readFileSync(held, 'utf8').trim().split(' ');
  if (Date.now() - statSync(held).mtimeMs > longestMilliseconds) return true;
  if (host !== hostname() || !/^[1-9][0-9]*$/.test(pid ?? '')) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
