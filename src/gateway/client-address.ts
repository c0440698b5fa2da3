/** Where the client of a connection is, as the kernel knows it: sshd tells its commands nothing of it. proc(5), net/tcp. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type ProcessId, readChildren } from './proc.ts';

/** Undefined if it can't be found out. */
export function clientAddress({ pid }: ProcessId): string | undefined {
  // The monitor keeps the socket that it accepted; its child works with it.
  for (const process of [pid, ...readChildren(pid)]) {
    const sockets = socketsOf(process);
    if (sockets.size === 0) continue;
    for (const table of ['tcp', 'tcp6']) {
      const found = peerOf(readTable(process, table), sockets);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

const established = '01';

/**
 * The far address of the first established connection among the sockets; pure.
 * @param table text of /proc/PID/net/tcp or tcp6
 * @param sockets inode numbers
 */
export function peerOf(table: string, sockets: ReadonlySet<string>): string | undefined {
  for (const line of table.split('\n').slice(1)) {
    const [, , remote = '', state, , , , , , inode = ''] = line.trim().split(/\s+/);
    if (state === established && sockets.has(inode)) return addressOf(remote.split(':')[0] ?? '');
  }
  return undefined;
}

/** Words of 32 bits, each in the byte order of the machine, which is little-endian wherever this runs. */
function addressOf(hexadecimal: string): string | undefined {
  const bytes = (hexadecimal.match(/.{8}/g) ?? []).flatMap((word) => [...Buffer.from(word, 'hex')].reverse());
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return undefined;
  const isMapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255;
  if (isMapped) return bytes.slice(12).join('.');
  const groups = Array.from({ length: 8 }, (_, index) =>
    (((bytes[2 * index] ?? 0) << 8) | (bytes[2 * index + 1] ?? 0)).toString(16),
  );
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

function socketsOf(pid: number): ReadonlySet<string> {
  try {
    const links = readdirSync(`/proc/${pid}/fd`).map((name) => readLink(`/proc/${pid}/fd/${name}`));
    return new Set(links.flatMap((link) => /^socket:\[([0-9]+)\]$/.exec(link)?.[1] ?? []));
  } catch {
    return new Set();
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function readTable(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/net/${name}`, 'ascii');
  } catch {
    return '';
  }
}
