/** The server on a network of machines: at https://ca.sallyport.test, with a certificate that they trust. */
import { type ChildProcess, execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startTestServer, type TestServer } from '../http/test-server.ts';
import type { Machine } from './machine.ts';
import type { Network } from './network.ts';

const run = promisify(execFile);
const hostName = 'ca.sallyport.test';

export class NetworkServer {
  readonly test: TestServer;
  readonly url = `https://${hostName}`;
  /** How far its clock is ahead of everybody else's. */
  secondsAhead = 0;
  readonly #network: Network;
  readonly #socket: string;
  readonly #passage: Server;
  readonly #open = new Set<Socket>();
  #front: ChildProcess | undefined;

  private constructor(test: TestServer, network: Network, port: number) {
    this.test = test;
    this.#network = network;
    this.#socket = join(network.folder, 'server.sock');
    // A socket file is reached from every network namespace.
    this.#passage = createServer((from) => {
      const to = connect(port, '127.0.0.1');
      for (const [one, other] of [
        [from, to],
        [to, from],
      ] as const) {
        this.#open.add(one);
        one.on('error', () => other.destroy());
        one.on('close', () => {
          this.#open.delete(one);
          other.destroy();
        });
      }
      from.pipe(to).pipe(from);
    });
  }

  static async start(network: Network): Promise<NetworkServer> {
    const test = await startTestServer({ publicUrl: `https://${hostName}` });
    await test.app.listen({ host: '127.0.0.1', port: 0 });
    const address = test.app.server.address();
    const server = new NetworkServer(
      test,
      network,
      typeof address === 'object' && address ? address.port : 0,
    );
    // Machines go by the real time.
    Object.defineProperty(test.clock, 'now', {
      get: () => new Date(Date.now() + server.secondsAhead * 1000),
    });
    await new Promise<void>((resolve) => server.#passage.listen(server.#socket, resolve));
    await run('/usr/bin/openssl', [
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ],
      ...['-subj', `/CN=${hostName}`, '-addext', `subjectAltName=DNS:${hostName}`],
      ...['-keyout', server.#file('key.pem'), '-out', server.#file('certificate.pem')],
    ]);
    await server.appear();
    return server;
  }

  #file(name: string): string {
    return join(this.#network.folder, name);
  }

  /** Listens on the network; as after `start`. */
  async appear(): Promise<void> {
    const program = join(import.meta.dirname, 'front-door.mjs');
    const front = this.#network.center.spawn(
      [process.execPath, program, this.#socket, this.#file('key.pem'), this.#file('certificate.pem')],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    this.#front = front;
    if (front.stdout) await once(front.stdout, 'data');
  }

  /** Nobody on the network reaches it any more; what was open is cut. */
  async disappear(): Promise<void> {
    const front = this.#front;
    this.#front = undefined;
    if (front === undefined) return;
    const gone = once(front, 'exit');
    front.kill('SIGKILL');
    await gone;
    for (const socket of this.#open) socket.destroy();
  }

  /** Tells a machine where the server is and that its certificate is good. */
  async introduce(machine: Machine): Promise<void> {
    const hosts = await readFile('/etc/hosts', 'utf8');
    await machine.write('/etc/hosts', `${hosts}${this.#network.center.address} ${hostName}\n`);
    const certificate = this.#file('certificate.pem');
    machine.setEnvironment({ NODE_EXTRA_CA_CERTS: certificate, CURL_CA_BUNDLE: certificate });
  }

  async close(): Promise<void> {
    await this.disappear();
    await new Promise<void>((resolve) => this.#passage.close(() => resolve()));
    await this.test.close();
  }
}
