/**
 * A companion without a machine: it hears the feed over a real connection, looks at versions as a companion does, and
 * acknowledges. It installs nothing.
 */
import { type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { readEvents } from '../../src/gateway/event-stream.ts';

export interface SimulatedMachine {
  readonly credential: string;
  /** The last state that it was sent. */
  readonly version: bigint;
  /** What it was sent that is older than what it had. */
  readonly olderStates: number;
  /** Resolves when the stream is over. */
  readonly ended: Promise<void>;
  close(): void;
}

export interface Surroundings {
  /** Where the server listens, and the name that it goes by. */
  readonly origin: string;
  readonly host: string;
  /** An acknowledgement was taken. */
  readonly onAcknowledged?: (version: bigint, machine: SimulatedMachine) => void;
}

/** The status that the server opened the stream with, or refused it with. */
export interface Refused {
  readonly status: number;
  readonly retryAfter: number | null;
}

/** @returns the machine once its stream is open, or how it was refused */
export async function simulateMachine(
  credential: string,
  surroundings: Surroundings,
): Promise<SimulatedMachine | Refused> {
  const { origin, host, onAcknowledged } = surroundings;
  const headers = { host, authorization: `Bearer ${credential}` };
  const call = request(`${origin}/v1/companions/feed`, { headers, agent: false });
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    call.once('response', resolve).once('error', reject).end();
  });
  if (response.statusCode !== 200) {
    response.resume();
    const { 'retry-after': after } = response.headers;
    return { status: response.statusCode ?? 0, retryAfter: after === undefined ? null : Number(after) };
  }
  const poster = new Poster(origin, '/v1/companions/acknowledgement', headers);
  const installed = { version: -1n, krl: -1n, older: 0 };

  async function take(data: string): Promise<void> {
    const { version, krlVersion } = versionsOf(data);
    if (BigInt(version) < installed.version || BigInt(krlVersion) < installed.krl) {
      installed.older += 1;
      return;
    }
    Object.assign(installed, { version: BigInt(version), krl: BigInt(krlVersion) });
    const body = `{"version":"${version}","krl_version":"${krlVersion}","connections_ended":0,"problem":null}`;
    if ((await poster.post(body)) === 204) onAcknowledged?.(BigInt(version), machine);
  }

  async function hear(): Promise<void> {
    try {
      for await (const { event, data } of readEvents(response)) if (event === 'state') await take(data);
    } catch {
      // Cut off, by either end.
    }
    poster.close();
  }

  const ended = hear();
  const machine: SimulatedMachine = {
    credential,
    ended,
    get version() {
      return installed.version;
    },
    get olderStates() {
      return installed.older;
    },
    close: () => call.destroy(),
  };
  return machine;
}

/**
 * Posts one after the other over one connection, as HTTP/1.1 has it (RFC 9112), in as little of the machine's time as can
 * be: a thousand of these share it with the server that they measure. Replies have no body, or are not read on.
 */
class Poster {
  readonly #head: string;
  readonly #place: { readonly host: string; readonly port: number };
  #socket: Socket | undefined;
  #heard: ((status: number) => void) | undefined;

  constructor(origin: string, path: string, headers: Readonly<Record<string, string>>) {
    const { hostname: host, port } = new URL(origin);
    this.#place = { host, port: Number(port) };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    this.#head = `POST ${path} HTTP/1.1\r\n${lines.join('')}content-type: application/json\r\n`;
  }

  /** @returns the status; 0: cut off */
  async post(body: string): Promise<number> {
    this.#socket ??= this.#connect();
    const status = new Promise<number>((resolve) => {
      this.#heard = resolve;
    });
    this.#socket.write(`${this.#head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    return await status;
  }

  close(): void {
    this.#socket?.destroy();
  }

  #connect(): Socket {
    const socket = connect(this.#place);
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.#heard?.(Number(bytes.toString('latin1', 9, 12))));
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#socket = undefined;
      this.#heard?.(0);
    });
    return socket;
  }
}

/** Of a state as the server writes it, without reading all of it. */
function versionsOf(state: string): { version: string; krlVersion: string } {
  const version = /^\{"format":1,"version":"([0-9]+)"/.exec(state)?.[1];
  const krlVersion = /"krl":\{"version":"([0-9]+)"/.exec(state)?.[1];
  if (version === undefined || krlVersion === undefined) throw new Error(`no state: ${state.slice(0, 100)}`);
  return { version, krlVersion };
}
