/**
 * Puts a checked state where sshd reads it. Each file is written beside and renamed. sshd reads CA keys and KRL at every
 * login, so only a new host certificate needs a reload. Order: the KRL first, so that no moment trusts a CA whose
 * revocations are not there yet.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SallyportError } from '../errors/sallyport-error.ts';
import { ensurePrivateFolder, writeFileAtomically } from '../files/write-file.ts';
import type { CheckedState } from './check-state.ts';
import type { CompanionPaths } from './paths.ts';
import { runProgram } from './run-program.ts';

/** What must stand in the files that sshd reads. */
export interface InstalledFiles {
  readonly revokedKeys: Buffer;
  readonly userAuthorities: Buffer;
  readonly hostCertificate: Buffer;
}

export type FileName = keyof InstalledFiles;

/** Nothing here is secret: sshd, and whoever wants to check, may read it. */
const mode = 0o644;
const order: readonly FileName[] = ['revokedKeys', 'userAuthorities', 'hostCertificate'];

export function filesOf({
  krlBytes,
  authorityLines,
  hopAuthorityLines,
  state,
}: CheckedState): InstalledFiles {
  return {
    revokedKeys: krlBytes,
    userAuthorities: Buffer.from(
      [...authorityLines, ...hopAuthorityLines].map((line) => `${line}\n`).join(''),
    ),
    hostCertificate: Buffer.from(`${state.host_certificate.trim()}\n`),
  };
}

/** Writes what differs. @returns the names of the files that were written */
export async function writeInstalledFiles(
  paths: CompanionPaths,
  files: InstalledFiles,
): Promise<readonly FileName[]> {
  const written: FileName[] = [];
  for (const name of order) {
    if (await isInPlace(paths[name], files[name])) continue;
    await moveFolderAside(paths[name]);
    await writeFileAtomically(paths[name], files[name], { mode });
    written.push(name);
  }
  return written;
}

/** The canaries of the installed state, one file each. */
export async function writeCanaries(paths: CompanionPaths, canaryLines: readonly string[]): Promise<void> {
  await rm(paths.canaries, { recursive: true, force: true });
  await ensurePrivateFolder(paths.canaries);
  for (const [index, line] of canaryLines.entries()) {
    await writeFileAtomically(join(paths.canaries, `${index + 1}.pub`), `${line.trim()}\n`, { mode });
  }
}

/**
 * Asks OpenSSH's own reader whether the installed KRL is in force: it must call every canary revoked.
 * @throws install_failed, also if there is no canary to ask for
 */
export async function checkCanaries(sshKeygen: string, paths: CompanionPaths): Promise<void> {
  const files = (await readdir(paths.canaries)).map((name) => join(paths.canaries, name));
  const { stdout, stderr } = await runProgram(sshKeygen, ['-Q', '-f', paths.revokedKeys, ...files]);
  const revoked = stdout.split('\n').filter((line) => line.endsWith(': REVOKED')).length;
  if (files.length > 0 && revoked === files.length) return;
  throw new SallyportError(
    'install_failed',
    `ssh-keygen does not find the installed KRL ${paths.revokedKeys} in force: ${revoked} of ${files.length} canaries are revoked.`,
    { detail: stderr },
  );
}

/**
 * Whether a file of ours with these bytes and this mode stands there: not a link, which somebody could point elsewhere,
 * and not a pipe or a device, which sshd would read for ever.
 */
async function isInPlace(path: string, bytes: Buffer): Promise<boolean> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const found = await file.stat();
    const isOurs = found.isFile() && found.uid === process.geteuid?.() && (found.mode & 0o7777) === mode;
    return isOurs && found.size === bytes.length && (await file.readFile()).equals(bytes);
  } catch {
    return false;
  } finally {
    await file?.close();
  }
}

/** No file can be renamed over a folder. What is in it is not ours to delete. */
async function moveFolderAside(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isDirectory()) await rename(path, `${path}.aside-${randomBytes(6).toString('hex')}`);
}
