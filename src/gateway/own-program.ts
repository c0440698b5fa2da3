/** The companion as one file (src/companion.ts) puts itself beside its other programs: it may have come to /tmp. */
import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, lstat, mkdir, realpath, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { SallyportError } from '../errors/sallyport-error.ts';
import { flushFolder } from '../files/write-file.ts';

export const ownProgramName = 'companion';

/**
 * @param program the file that runs now
 * @param folder of root, where everybody may look
 * @returns where it is from now on
 * @throws install_failed; then the one that was there is still there
 */
export async function installOwnProgram(program: string, folder: string): Promise<string> {
  const path = join(folder, ownProgramName);
  const beside = `${path}.new`;
  try {
    if ((await isRootsAlone(path)) && (await realpath(program)) === (await realpath(path))) return path;
    await mkdir(folder, { recursive: true, mode: 0o755 });
    await chmod(folder, 0o755);
    await rm(beside, { force: true });
    // For root alone from the first byte, whatever the mode of the one that runs; flushed, since nobody gets in without it.
    const file = createWriteStream(beside, { flags: 'wx', mode: 0o700, flush: true });
    await pipeline(createReadStream(program), file);
    await chmod(beside, 0o755);
    // Over one that runs: it goes on with its own file.
    await rename(beside, path);
    await flushFolder(folder);
    return path;
  } catch (error) {
    await rm(beside, { force: true });
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new SallyportError(
      'install_failed',
      `The companion could not be copied to ${path} (${code}). Is there space for it? It takes about 130 MB.`,
      { cause: error },
    );
  }
}

/** Whether it is there, itself and not a link, and nobody else may write it: who runs it is root. */
async function isRootsAlone(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  return found?.isFile() === true && found.uid === process.geteuid?.() && (found.mode & 0o022) === 0;
}
