/**
 * The loopback redirect of a native app (RFC 8252 section 7.3): a listener on 127.0.0.1 that hears exactly one thing,
 * the callback of the login that was started. Everything else is refused: other paths and methods, other Host names
 * (a page that rebinds its name to 127.0.0.1), and callbacks without our `state`, which leave the login waiting.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CallbackPage, callbackHeaders, strayPage } from './callback-page.ts';
import { sameText } from './same-text.ts';

const path = '/callback';

/**
 * Tried in their order, so that a firewall, or `ssh -L` from the machine with the browser, can be told of them. No server
 * is known to use them. Where all are taken any other port does.
 */
export const loopbackPorts: readonly number[] = Array.from({ length: 10 }, (_, at) => 27_420 + at);

export interface LoopbackListener {
  readonly redirectUri: string;
  /** The callback that carries `state`. The browser waits until answer() is called. Undefined when time is up. */
  callback(state: string, patienceMilliseconds: number): Promise<URL | undefined>;
  /** Ends the waiting browser's request with a page. */
  answer(page: CallbackPage): Promise<void>;
  close(): Promise<void>;
}

export async function openLoopbackListener(
  ports: readonly number[] = loopbackPorts,
): Promise<LoopbackListener> {
  let awaited: { state: string; found: (url: URL) => void } | undefined;
  let waiting: ServerResponse | undefined;

  const server = createServer((request, response) => {
    const refusal = refusalOf(request, `127.0.0.1:${port}`);
    if (refusal) return refuse(response, refusal);
    const url = new URL(request.url ?? '', redirectUri);
    const states = url.searchParams.getAll('state');
    if (!awaited || states.length !== 1 || !sameText(states[0] ?? '', awaited.state)) {
      return send(response, strayPage);
    }
    const { found } = awaited;
    awaited = undefined; // one-shot: a second callback finds nobody waiting
    waiting = response;
    found(url);
  });
  server.requestTimeout = 10_000;
  for (const wanted of [...ports, 0]) if (await couldListen(server, wanted)) break;
  const { port } = server.address() as AddressInfo;
  const redirectUri = `http://127.0.0.1:${port}${path}`;

  return {
    redirectUri,
    callback: (state, patienceMilliseconds) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => resolve(undefined), patienceMilliseconds);
        const found = (url: URL) => {
          clearTimeout(timer);
          resolve(url);
        };
        awaited = { state, found };
      }),
    answer: (page) =>
      new Promise((resolve) => {
        const response = waiting;
        waiting = undefined;
        if (!response || response.destroyed) return resolve();
        response.once('close', resolve);
        send(response, page);
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** @returns false if somebody else listens there @throws the system's error where not even any port is free */
async function couldListen(server: Server, port: number): Promise<boolean> {
  return await new Promise<boolean>((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => {
      server.off('listening', worked);
      if (port === 0) reject(error);
      else resolve(false);
    };
    const worked = () => {
      server.off('error', failed);
      resolve(true);
    };
    server.once('error', failed).once('listening', worked).listen({ host: '127.0.0.1', port });
  });
}

function refusalOf({ method, url, headers }: IncomingMessage, host: string): number | undefined {
  if (headers.host !== host) return 421;
  if (url !== path && !url?.startsWith(`${path}?`)) return 404;
  return method === 'GET' ? undefined : 405;
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-type': 'text/plain', connection: 'close' });
  response.end('Nothing here.\n');
}

function send(response: ServerResponse, { status, html }: CallbackPage): void {
  response.writeHead(status, callbackHeaders);
  response.end(html);
}
