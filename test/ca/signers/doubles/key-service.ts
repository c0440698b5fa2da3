/** What the doubles of key services share: a server on loopback, key pairs as services hold them, and faults. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export interface ServiceRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface ServiceReply {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body: string;
}

/** Does something else with a request, or gives the reply to send instead; undefined leaves the reply as it is. */
export type Fault = (
  reply: ServiceReply,
  request: ServiceRequest,
  response: ServerResponse,
) => ServiceReply | undefined | 'handled';

export interface RunningService {
  readonly address: string;
  /** Every request that was answered. */
  readonly requests: ServiceRequest[];
  fault: Fault | undefined;
  close(): Promise<void>;
}

/** Key and certificate in PEM form. */
export interface TlsFiles {
  readonly key: Buffer;
  readonly cert: Buffer;
}

/** @param tls without it, the service speaks HTTP */
export async function startService(
  answer: (request: ServiceRequest) => ServiceReply,
  tls?: TlsFiles,
): Promise<RunningService> {
  const listener: RequestListener = async (incoming, response) => {
    const { method = '', url: path = '', headers } = incoming;
    const request = { method, path, headers, body: await buffer(incoming) };
    service.requests.push(request);
    const reply = answer(request);
    const changed = service.fault?.(reply, request, response) ?? reply;
    if (changed === 'handled') return;
    response.writeHead(changed.status, changed.headers).end(changed.body);
  };
  const server = tls ? createTlsServer(tls, listener) : createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const service: RunningService = {
    address: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    requests: [],
    fault: undefined,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return service;
}

/** Faults that any HTTP service may have; each with what a signer says of it. */
export const commonFaults: [string, Fault, RegExp][] = [
  ['never answers', () => 'handled', /in time/],
  [
    'ends the connection',
    (_, __, response) => {
      response.destroy();
      return 'handled';
    },
    /ECONNRESET|socket hang up/,
  ],
  [
    'cuts its reply short',
    ({ status, body }, _, response) => {
      response.writeHead(status, { 'content-length': body.length }).write(body.slice(0, -10));
      setImmediate(() => response.destroy());
      return 'handled';
    },
    /ECONNRESET|aborted|terminated/i,
  ],
  ['answers with half a document', (reply) => ({ ...reply, body: reply.body.slice(0, -10) }), /./],
  ['answers with a page', () => ({ status: 200, body: '<html>Welcome to the hotel</html>' }), /./],
  ['answers with nothing', () => ({ status: 200, body: '' }), /./],
];

/** A reply whose JSON has these members instead; undefined leaves a member out. */
export function changed(change: object): Fault {
  return (reply) => ({ ...reply, body: JSON.stringify({ ...JSON.parse(reply.body), ...change }) });
}

export interface ServiceKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export function newKey(kind: 'ed25519' | 'P-256' | 'P-384' | 'P-521' | number): ServiceKey {
  if (kind === 'ed25519') return generateKeyPairSync('ed25519');
  if (typeof kind === 'number') return generateKeyPairSync('rsa', { modulusLength: kind });
  return generateKeyPairSync('ec', { namedCurve: kind });
}
