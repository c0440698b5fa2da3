/**
 * Makes a server listen on a unix socket. It is made in a folder that only this user may enter, gets its mode and owner
 * there, and is renamed to its place: at no moment can anybody connect who may not.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { chmod, chown, rename } from 'node:fs/promises';
import type { Server } from 'node:net';
import { dirname, join } from 'node:path';
import { checkSocketPath } from './paths.ts';

export interface UnixSocketPlace {
  readonly path: string;
  readonly mode: number;
  /** Undefined: this user. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
}

export async function listenOnUnixSocket(
  server: Server,
  { path, mode, owner }: UnixSocketPlace,
): Promise<void> {
  const folder = mkdtempSync(join(dirname(path), '.s'));
  const made = join(folder, 's');
  try {
    checkSocketPath(made);
    await listen(server, made);
    await chmod(made, mode);
    if (owner) await chown(made, owner.uid, owner.gid);
    await rename(made, path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
