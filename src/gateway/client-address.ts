/** Where the client of a connection is, as the kernel knows it: sshd tells its commands nothing of it. proc(5), net/tcp. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type ProcessId, readChildren } from './proc.ts';

const tables = ['tcp', 'tcp6'] as const;
type Table = (typeof tables)[number];

/** A socket's inode number, and its far end as the table has it. */
type Peers = ReadonlyMap<string, string>;

export interface ClientAddressesOptions {
  /** Text of /proc/PID/net/tcp or tcp6; empty if it may not be read. */
  readonly readTable?: (pid: number, table: Table) => string;
  /** Inode numbers of the sockets that a process holds. */
  readonly socketsOf?: (pid: number) => readonly string[];
  /** A clock that nobody sets. */
  readonly nowSeconds?: () => number;
}

/** Far less than it takes until the kernel gives a socket's number to another one. */
const rememberedSeconds = 10;

/**
 * The kernel takes milliseconds for a table, whatever is in it. Of hundreds that come together only the first one waits for
 * that: the others stand in what was read for it.
 */
export class ClientAddresses {
  readonly #readTable: (pid: number, table: Table) => string;
  readonly #socketsOf: (pid: number) => readonly string[];
  readonly #nowSeconds: () => number;
  readonly #read = new Map<Table, { readonly peers: Peers; readonly atSeconds: number }>();

  constructor(options: ClientAddressesOptions = {}) {
    this.#readTable = options.readTable ?? readTable;
    this.#socketsOf = options.socketsOf ?? socketsOf;
    this.#nowSeconds = options.nowSeconds ?? (() => performance.now() / 1_000);
  }

  /** Undefined if it can't be found out. */
  of({ pid }: ProcessId): string | undefined {
    // The monitor keeps the socket that it accepted; its child works with it.
    for (const process of [pid, ...readChildren(pid)]) {
      const sockets = this.#socketsOf(process);
      if (sockets.length === 0) continue;
      const found = this.#remembered(sockets) ?? this.#lookUp(process, sockets);
      if (found !== undefined) return addressOf(found.split(':')[0] ?? '');
    }
    return undefined;
  }

  #remembered(sockets: readonly string[]): string | undefined {
    const since = this.#nowSeconds() - rememberedSeconds;
    for (const { peers, atSeconds } of this.#read.values()) {
      const found = atSeconds > since ? peerOf(peers, sockets) : undefined;
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #lookUp(pid: number, sockets: readonly string[]): string | undefined {
    for (const table of tables) {
      const peers = peersIn(this.#readTable(pid, table));
      this.#read.set(table, { peers, atSeconds: this.#nowSeconds() });
      const found = peerOf(peers, sockets);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

const established = '01';

/** Of established connections alone. */
function peersIn(table: string): Peers {
  const peers = new Map<string, string>();
  for (const line of table.split('\n').slice(1)) {
    const [, , remote = '', state, , , , , , inode = ''] = line.trim().split(/\s+/);
    if (state === established) peers.set(inode, remote);
  }
  return peers;
}

function peerOf(peers: Peers, sockets: readonly string[]): string | undefined {
  return sockets.map((inode) => peers.get(inode)).find((found) => found !== undefined);
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

function socketsOf(pid: number): readonly string[] {
  try {
    const links = readdirSync(`/proc/${pid}/fd`).map((name) => readLink(`/proc/${pid}/fd/${name}`));
    return links.flatMap((link) => /^socket:\[([0-9]+)\]$/.exec(link)?.[1] ?? []);
  } catch {
    return [];
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function readTable(pid: number, table: Table): string {
  try {
    return readFileSync(`/proc/${pid}/net/${table}`, 'ascii');
  } catch {
    return '';
  }
}
