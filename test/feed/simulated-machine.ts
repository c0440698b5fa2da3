/**
 * A companion without a machine: it hears the feed over a real connection, looks at versions as a companion does, and
 * acknowledges. It installs nothing.
 */
import { Agent, type IncomingMessage, request } from 'node:http';
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
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const installed = { version: -1n, krl: -1n, older: 0 };

  async function take(data: string): Promise<void> {
    const { version, krl } = JSON.parse(data) as { version: string; krl: { version: string } };
    if (BigInt(version) < installed.version || BigInt(krl.version) < installed.krl) {
      installed.older += 1;
      return;
    }
    Object.assign(installed, { version: BigInt(version), krl: BigInt(krl.version) });
    const body = JSON.stringify({
      version,
      krl_version: krl.version,
      connections_ended: 0,
      problem: null,
    });
    const status = await post(`${origin}/v1/companions/acknowledgement`, { headers, agent, body });
    if (status === 204) onAcknowledged?.(BigInt(version), machine);
  }

  async function hear(): Promise<void> {
    try {
      for await (const { event, data } of readEvents(response)) if (event === 'state') await take(data);
    } catch {
      // Cut off, by either end.
    }
    agent.destroy();
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

interface Posting {
  readonly headers: Readonly<Record<string, string>>;
  readonly agent: Agent;
  readonly body: string;
}

async function post(url: string, { headers, agent, body }: Posting): Promise<number> {
  const call = request(url, {
    method: 'POST',
    agent,
    headers: { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
  });
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    call.once('response', resolve).once('error', reject).end(body);
  });
  response.resume();
  return response.statusCode ?? 0;
}
