/** Where the agent listens, and how it comes to listen there: nobody else can connect at any moment. */
import { rmSync } from 'node:fs';
import { chmod, lstat, mkdtemp, rename, statfs } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { ignoreMissing } from '../../files/ignore-missing.ts';
import { type ProcessLock, tryProcessLock } from '../../files/process-lock.ts';
import { ensurePrivateFolder } from '../../files/write-file.ts';
import type { SallyContext } from '../context.ts';

const socketName = 'agent.sock';
/** Of sun_path in unix(4) of macOS, with its NUL; Linux has four more. */
const longestPath = 103;
/** NFS_SUPER_MAGIC of statfs(2). */
const nfs = 0x6969;

/** `~/.ssh/sallyport/agent.sock`, or below $XDG_RUNTIME_DIR where that is too long or on NFS. @throws settings_invalid */
export async function agentSocketPath({ paths, environment }: SallyContext): Promise<string> {
  const path = join(paths.folder, socketName);
  const isShort = Buffer.byteLength(path) <= longestPath;
  if (isShort && !(await isOnNfs(paths.folder))) return path;
  const runtime = environment.forPrograms?.['XDG_RUNTIME_DIR'];
  if (runtime) return join(runtime, 'sallyport', socketName);
  throw new SallyportError(
    'settings_invalid',
    `${paths.folder} cannot hold a socket: the path is too long, or it is on NFS. Set XDG_RUNTIME_DIR to a folder of yours, such as /run/user/1000.`,
  );
}

async function isOnNfs(folder: string): Promise<boolean> {
  const found = await statfs(folder).catch(() => undefined);
  return found?.type === nfs;
}

export interface AgentSocket {
  readonly server: Server;
  readonly path: string;
  /** Takes the socket away, if it is still this agent's. */
  close(): void;
}

/** @throws in_use: an agent listens there; file_refused: something else is there */
export async function listenForAgents(path: string): Promise<AgentSocket> {
  const folder = dirname(path);
  await ensurePrivateFolder(folder);
  const lock = tryProcessLock(join(folder, 'agent.lock'));
  if (!lock) throw new SallyportError('in_use', 'sally agent runs already. Look with: sally agent status');
  try {
    await clearPlace(path);
    const server = createServer();
    await listenPrivately(server, path);
    return { server, path, close: () => closePlace(server, path, lock) };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** The socket that systemd has made and passes on (sd_listen_fds(3)). */
export async function listenOnDescriptor(descriptor: number, path: string): Promise<AgentSocket> {
  const server = createServer();
  await listening(server, { fd: descriptor });
  return { server, path, close: () => void server.close() };
}

/** What a crashed agent has left goes; what is no socket of ours stays, and is said. */
async function clearPlace(path: string): Promise<void> {
  const found = await lstat(path).catch(ignoreMissing);
  if (!found) return;
  const isOurs = found.isSocket() && (!process.getuid || found.uid === process.getuid());
  if (isOurs) return; // rename() replaces it
  throw new SallyportError(
    'file_refused',
    `${path} is there and is not a socket of yours (a symbolic link?). Move it away and try again.`,
  );
}

/** Made in a folder that only this user may enter, with its mode, and renamed to its place; both paths are as long. */
async function listenPrivately(server: Server, path: string): Promise<void> {
  const folder = await mkdtemp(join(dirname(path), '.s'));
  try {
    const made = join(folder, 's');
    await listening(server, { path: made });
    await chmod(made, 0o600);
    await rename(made, path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function listening(server: Server, place: { path: string } | { fd: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(place, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function closePlace(server: Server, path: string, lock: ProcessLock): void {
  server.close();
  rmSync(path, { force: true });
  lock.release();
}
