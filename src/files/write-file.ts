/**
 * Files that matter: written beside their target with their final mode from the first byte, flushed, renamed over the
 * target, and the folder flushed. A reader sees the old file or the new one, a crash leaves one of the two.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, lstat, mkdir, open, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { SallyportError } from '../errors/sallyport-error.ts';

export interface WriteFileOptions {
  /** Permission bits, exact whatever the umask is. */
  readonly mode: number;
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** What the file is dated to, in unix seconds, where the file system can; absent: now, by the clock of that one. */
  readonly datedSeconds?: number;
}

/** Replaces `path` atomically. `path` itself is never followed if it is a symbolic link: the link is replaced. */
export async function writeFileAtomically(
  path: string,
  contents: string | Uint8Array,
  options: WriteFileOptions,
): Promise<void> {
  const beside = await writeBeside(path, contents, options);
  await rename(beside, path).catch(async (error: unknown) => {
    await unlink(beside).catch(() => {});
    throw error;
  });
  await flushFolder(dirname(path));
}

/**
 * Makes a new file, whole or not at all: link(2), unlike rename(2), never replaces what is there, a dangling link
 * included.
 * @throws file_refused if there is something at `path`
 */
export async function createFileAtomically(
  path: string,
  contents: string | Uint8Array,
  options: WriteFileOptions,
): Promise<void> {
  const beside = await writeBeside(path, contents, options);
  try {
    await link(beside, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new SallyportError('file_refused', `${path} exists already and is not overwritten.`);
  } finally {
    await unlink(beside).catch(() => {});
  }
  await flushFolder(dirname(path));
}

/** @returns the path of the flushed file; none is left if it can't be written whole */
async function writeBeside(
  path: string,
  contents: string | Uint8Array,
  options: WriteFileOptions,
): Promise<string> {
  const beside = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  // O_EXCL never opens what another process planted under the name, a link included.
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const file = await open(beside, flags, options.mode & 0o600);
  try {
    await fill(file, contents, options);
  } catch (error) {
    await unlink(beside).catch(() => {});
    throw error;
  }
  return beside;
}

async function fill(
  file: FileHandle,
  contents: string | Uint8Array,
  { mode, owner, datedSeconds }: WriteFileOptions,
): Promise<void> {
  try {
    await file.writeFile(contents);
    if (owner) await file.chown(owner.uid, owner.gid);
    await file.chmod(mode);
    if (datedSeconds !== undefined) await file.utimes(datedSeconds, datedSeconds).catch(() => {});
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes a rename or unlink in `folder` durable. Windows can't flush a folder and needs no flush. */
export async function flushFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Creates `folder` (and missing parents) with `mode`, or checks the one that is there: a real folder of this user
 * that nobody else may write to. Its mode is tightened to `mode` where it is wider.
 */
export async function ensurePrivateFolder(folder: string, mode = 0o700): Promise<void> {
  await mkdir(folder, { recursive: true, mode });
  const found = await lstat(folder);
  if (!found.isDirectory()) {
    throw new SallyportError(
      'file_refused',
      `${folder} is not a folder (a symbolic link?). Move it away and try again.`,
    );
  }
  if (process.getuid && found.uid !== process.getuid()) {
    throw new SallyportError(
      'file_refused',
      `${folder} belongs to another user (uid ${found.uid}). Move it away and try again.`,
    );
  }
  if (process.platform !== 'win32' && (found.mode & 0o777 & ~mode) !== 0) {
    const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    try {
      await handle.chmod(mode);
    } finally {
      await handle.close();
    }
  }
}

/** Reads a secret file: a regular file of this user that no one else may read. Undefined if there is none. */
export async function readPrivateFile(path: string): Promise<Buffer | undefined> {
  let file: FileHandle;
  try {
    // O_NONBLOCK: opening a named pipe would wait for its writer for ever.
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return undefined;
    if (code === 'ELOOP') {
      throw new SallyportError(
        'file_refused',
        `${path} is a symbolic link, expected a regular file. Move it away and try again.`,
      );
    }
    throw error;
  }
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new SallyportError('file_refused', `${path} is not a regular file.`);
    if (process.getuid && found.uid !== process.getuid()) {
      throw new SallyportError('file_refused', `${path} belongs to another user (uid ${found.uid}).`);
    }
    if (process.platform !== 'win32' && (found.mode & 0o077) !== 0) {
      throw new SallyportError('file_refused', `${path} may be read by others. Run: chmod 600 ${path}`);
    }
    return await file.readFile();
  } finally {
    await file.close();
  }
}
