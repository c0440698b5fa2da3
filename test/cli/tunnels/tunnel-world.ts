/**
 * The demo with services behind its gateway: a real Postgres and something that answers with a word. Gateways forward nothing
 * to their own loopback, so the services listen at this machine's address in its network.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect as connectTo, createServer, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { dirname, join } from 'node:path';
import { inTransaction } from '../../../src/database/transaction.ts';
import { canGenerateNames } from '../../../src/dev/local-sshd-namespace.ts';
import { inventoryChanged } from '../../../src/inventory/inventory-changed.ts';
import { hasPostgres } from '../../database/fresh-database.ts';
import { ReachWorld } from '../reach/reach-world.ts';

export const address = Object.values(networkInterfaces())
  .flatMap((found) => found ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

export const canTunnel = canGenerateNames() && hasPostgres && address !== undefined;

export const staging = 'shop-staging';
export const production = 'shop-production';

export interface Listed {
  readonly id: string;
  readonly status: string;
  readonly why: string | null;
  readonly target: string;
  readonly pid: number | null;
  readonly ssh_pid: number | null;
  readonly log: string;
  readonly gateway_ports: boolean;
  readonly services: readonly {
    readonly name: string;
    readonly port: number;
    readonly open: boolean;
    readonly url: string;
  }[];
}

export class TunnelWorld {
  readonly reach: ReachWorld;
  readonly #servers: Server[] = [];
  readonly #postgres: URL;
  readonly #sshds: ChildProcess[] = [];

  private constructor(reach: ReachWorld, postgres: URL) {
    this.reach = reach;
    this.#postgres = postgres;
  }

  /** @param postgres where it listens, on loopback */
  static async open(postgres: URL): Promise<TunnelWorld> {
    const world = new TunnelWorld(await ReachWorld.open(), postgres);
    const db = await world.serve((socket) => {
      // Postgres of the tests listens at a socket in a folder.
      const behind = connectTo(join(postgres.searchParams.get('host') ?? '', '.s.PGSQL.5432'));
      behind.on('error', () => socket.destroy());
      socket.pipe(behind).pipe(socket);
    });
    const word = await world.serve((socket) => {
      socket.end('a word\n');
    });
    for (const environment of ['staging', 'production']) {
      await world.addService(environment, { slug: 'db', kind: 'postgresql', port: db });
      await world.addService(environment, { slug: 'word', kind: 'telnet', port: word });
    }
    return world;
  }

  /** @returns the port, at this machine's address in its network */
  async serve(answer: (socket: Socket) => void): Promise<number> {
    const server = createServer((socket) => {
      // Whoever is on the way may be killed.
      socket.on('error', () => socket.destroy());
      answer(socket);
    });
    this.#servers.push(server);
    server.listen(0, address);
    await once(server, 'listening');
    const place = server.address();
    return typeof place === 'object' && place ? place.port : 0;
  }

  async addService(
    environment: string,
    service: { slug: string; kind: string; port: number; role?: 'admin' },
  ): Promise<void> {
    const login = service.kind === 'postgresql' ? this.#postgres.username : null;
    const database = login === null ? null : 'postgres';
    await this.#change(async (tx) => {
      const { id } = await tx
        .selectFrom('environments')
        .select('id')
        .where('slug', '=', environment)
        .executeTakeFirstOrThrow();
      await tx
        .insertInto('services')
        .values({
          environment_id: id,
          address: address ?? '',
          login,
          database,
          ...service,
        })
        .execute();
    });
  }

  async changeService(slug: string, values: { port?: number; enabled?: boolean }): Promise<void> {
    await this.#change(async (tx) => {
      await tx.updateTable('services').set(values).where('slug', '=', slug).execute();
    });
  }

  async #change(work: Parameters<typeof inTransaction<void>>[1]): Promise<void> {
    await inTransaction(this.reach.db, async (tx) => {
      await work(tx);
      const { id } = await tx.selectFrom('organizations').select('id').executeTakeFirstOrThrow();
      await inventoryChanged(tx, { organizationId: id, change: 'changed by the test', name: 'services' });
    });
    await this.reach.untilHeard();
  }

  /** The gateway's sshd ends with every connection. @returns starts it again */
  async stopGateway(): Promise<() => void> {
    const { sshd, paths } = this.reach.machines.gateway;
    const folder = dirname(paths.hostKey);
    const pid = (await readFile(join(folder, 'sshd.pid'), 'utf8')).trim();
    const command = ['/usr/sbin/sshd', '-D', '-e', '-f', join(folder, 'sshd_config')];
    // In its mount namespace, where files of ours stand for the machine's; held open until it is wanted.
    const script = 'echo in; read -r _; exec "$@"';
    const args = ['-t', pid, '-m', '/bin/sh', '-c', script, 'sh', ...command];
    const next = spawn('/usr/bin/nsenter', args, { stdio: ['pipe', 'pipe', 'ignore'] });
    this.#sshds.push(next);
    await once(next.stdout, 'data');
    await sshd.stop();
    return () => void next.stdin.write('go\n');
  }

  /** As `sally tunnel list` tells it. */
  async list(): Promise<Listed[]> {
    const { code, stdout, stderr } = await this.reach.sally(['tunnel', 'list', '--json']);
    if (code !== 0) throw new Error(stderr);
    return JSON.parse(stdout).tunnels;
  }

  async one(): Promise<Listed> {
    const [tunnel, ...more] = await this.list();
    if (!tunnel || more.length > 0) throw new Error(`${more.length + (tunnel ? 1 : 0)} tunnels`);
    return tunnel;
  }

  async close(): Promise<void> {
    await this.reach.sally(['tunnel', 'close', '--all']);
    await this.reach.close();
    for (const sshd of this.#sshds) sshd.kill();
    for (const server of this.#servers) server.close();
  }
}

/** What comes from a port of this machine until it closes. */
export async function readFrom(port: number, host = '127.0.0.1'): Promise<string> {
  const socket = connectTo(port, host);
  let text = '';
  for await (const chunk of socket) text += chunk;
  return text;
}
