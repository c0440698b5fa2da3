/** One HTTP request over connections that are opened by the caller's rules, and used again within the same run. */
import {
  type ClientRequestArgs,
  type IncomingMessage,
  Agent as PlainAgent,
  request as requestPlain,
} from 'node:http';
import { request as requestSecure, Agent as SecureAgent } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { OpenConnection } from './server-connection.ts';

export interface PlainRequest {
  readonly method: string;
  readonly headers: Headers;
  readonly body: string | Uint8Array | null;
  readonly timeoutMilliseconds: number;
  readonly largestReply: number;
}

type Created = (error: Error | null, socket: Duplex) => void;

/** Redirects are not followed. @throws what the connection and the network say */
export function sender(open: OpenConnection): (url: URL, asked: PlainRequest) => Promise<Response> {
  const agents = new Map<string, PlainAgent>();
  const agentOf = (server: URL) => {
    const known = agents.get(server.origin);
    if (known) return known;
    const agent = server.protocol === 'https:' ? new SecureAgent(kept) : new PlainAgent(kept);
    agent.createConnection = (_options: ClientRequestArgs, created?: Created) => {
      open(server).then(
        (socket) => created?.(null, socket),
        (error: Error) => created?.(error, undefined as unknown as Socket),
      );
      return undefined;
    };
    agents.set(server.origin, agent);
    return agent;
  };
  return async (url, asked) => {
    const reply = await send(url, asked, agentOf(new URL(url.origin)));
    const body = await readBounded(reply, asked.largestReply);
    const status = reply.statusCode ?? 0;
    const headers = new Headers();
    for (let at = 0; at + 1 < reply.rawHeaders.length; at += 2) {
      headers.append(reply.rawHeaders[at] ?? '', reply.rawHeaders[at + 1] ?? '');
    }
    return new Response(status === 204 || status === 304 ? null : body, { status, headers });
  };
}

/** Free connections do not keep the program from ending. */
const kept = { keepAlive: true, maxFreeSockets: 2 };

function send(url: URL, asked: PlainRequest, agent: PlainAgent): Promise<IncomingMessage> {
  const { method, headers, body, timeoutMilliseconds } = asked;
  return new Promise((resolve, reject) => {
    const options = {
      agent,
      method,
      headers: {
        ...Object.fromEntries(headers),
        ...(body !== null && { 'content-length': Buffer.byteLength(body) }),
      },
      signal: AbortSignal.timeout(timeoutMilliseconds),
    };
    const request = url.protocol === 'https:' ? requestSecure(url, options) : requestPlain(url, options);
    request.once('response', resolve);
    request.on('error', reject);
    request.end(body ?? undefined);
  });
}

async function readBounded(reply: IncomingMessage, largest: number): Promise<Buffer<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of reply) {
    length += chunk.length;
    if (length > largest) throw new Error('its reply is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
