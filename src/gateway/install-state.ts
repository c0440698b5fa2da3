/**
 * Puts a checked state where sshd reads it. Each file is written beside and renamed. sshd reads CA keys and KRL at every
 * login, so only a new host certificate needs a reload. Order: the KRL first, so that no moment trusts a CA whose
 * revocations are not there yet.
 */
import { readFile } from 'node:fs/promises';
import { SallyportError } from '../errors/sallyport-error.ts';
import { writeFileAtomically } from '../files/write-file.ts';
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

export function filesOf({ krlBytes, authorityLines, state }: CheckedState): InstalledFiles {
  return {
    revokedKeys: krlBytes,
    userAuthorities: Buffer.from(authorityLines.map((line) => `${line}\n`).join('')),
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
    if (await holds(paths[name], files[name])) continue;
    await writeFileAtomically(paths[name], files[name], { mode });
    written.push(name);
  }
  return written;
}

/**
 * Asks OpenSSH's own reader whether the installed KRL is in force: it must call every canary revoked.
 * @throws install_failed
 */
export async function checkCanaries(
  sshKeygen: string,
  paths: CompanionPaths,
  canaryLines: readonly string[],
): Promise<void> {
  await writeFileAtomically(paths.canaries, canaryLines.map((line) => `${line.trim()}\n`).join(''), { mode });
  const { stdout, stderr } = await runProgram(sshKeygen, ['-Q', '-f', paths.revokedKeys, paths.canaries]);
  const revoked = stdout.split('\n').filter((line) => line.endsWith(': REVOKED')).length;
  if (revoked === canaryLines.length) return;
  throw new SallyportError(
    'install_failed',
    `ssh-keygen does not find the installed KRL ${paths.revokedKeys} in force: ${revoked} of ${canaryLines.length} canaries are revoked.`,
    { detail: stderr },
  );
}

async function holds(path: string, bytes: Buffer): Promise<boolean> {
  try {
    return (await readFile(path)).equals(bytes);
  } catch {
    return false;
  }
}
