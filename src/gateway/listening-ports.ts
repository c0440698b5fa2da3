/**
 * The ports of this machine's loopback on which a connection listens for its client (-R), found in /proc: sshd holds the
 * sockets, and tells nobody else of them.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { ProcessId } from './proc.ts';
import { ProcessLook } from './process-look.ts';

export async function listeningPorts(monitor: ProcessId): Promise<number[]> {
  const below = await new ProcessLook().descendantsOf(monitor);
  const sockets = new Set(below.flatMap(({ pid }) => socketsOf(pid)));
  if (sockets.size === 0) return [];
  // As the connection's own network sees it, which need not be the companion's.
  const network = `/proc/${monitor.pid}/net`;
  const listeners = [...listenersOf(`${network}/tcp`), ...listenersOf(`${network}/tcp6`)];
  const ports = listeners.filter(({ inode }) => sockets.has(inode)).map(({ port }) => port);
  return [...new Set(ports)].sort((one, other) => one - other);
}

/** Where one process listens itself. The inode tells a socket from a later one on the same port. */
export function listenersOfProcess(
  pid: number,
): readonly { readonly port: number; readonly inode: string }[] {
  const sockets = new Set(socketsOf(pid));
  return [...listenersOf('/proc/net/tcp'), ...listenersOf('/proc/net/tcp6')].filter(({ inode }) =>
    sockets.has(inode),
  );
}

/** Inodes of the sockets that the process holds. */
function socketsOf(pid: number): string[] {
  try {
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder).flatMap((name) => inodeOf(`${folder}/${name}`) ?? []);
  } catch {
    return [];
  }
}

function inodeOf(path: string): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(path))?.[1];
  } catch {
    return undefined;
  }
}

/** Lines of /proc/net/tcp (proc_net(5)): local address, remote address, state, ..., inode. */
function listenersOf(table: string): { readonly port: number; readonly inode: string }[] {
  const listening = '0A';
  return readLines(table).flatMap((line) => {
    const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
    const port = Number.parseInt(local.split(':')[1] ?? '', 16);
    return state === listening && port > 0 ? { port, inode } : [];
  });
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'ascii').split('\n').slice(1);
  } catch {
    // A kernel without IPv6.
    return [];
  }
}
