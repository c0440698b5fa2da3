/** HTTP over a unix socket: POST routes that take a form and answer plain text. */
import { rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { listenOnUnixSocket, type UnixSocketPlace } from './listen-on-unix-socket.ts';

export interface UnixSocketServer {
  close(): Promise<void>;
}

/** undefined: 403 and no words. Throwing: 500 and no words. `gone` is aborted when whoever asked waits no more. */
export type AnswerForm = (
  form: URLSearchParams,
  gone: AbortSignal,
) => string | undefined | Promise<string | undefined>;

export interface UnixSocketOptions extends UnixSocketPlace {
  /**
   * How many may be open before their question is whole. One more closes the oldest of them: who asks does so at once, and
   * whoever opens many and says nothing must keep nobody out.
   */
  readonly mostConnections: number;
  /** By path, such as /principals. */
  readonly routes: Readonly<Record<string, AnswerForm>>;
  readonly onError: (error: unknown) => void;
}

/** A certificate with 32 principals is about 8 kB in base64; what a client asks to run may be longer. */
const longestForm = 256 * 1024;

export async function serveUnixSocket(options: UnixSocketOptions): Promise<UnixSocketServer> {
  const { mostConnections } = options;
  /** Those whose question is not whole yet, the oldest first. */
  const asking = new Set<Socket>();
  const server = createServer({ requestTimeout: 5_000, headersTimeout: 5_000 }, (request, response) => {
    void handle(request, response, options, () => asking.delete(request.socket));
  });
  server.on('connection', (socket) => {
    asking.add(socket);
    socket.once('close', () => asking.delete(socket));
    const [oldest] = asking;
    if (asking.size > mostConnections) oldest?.destroy();
  });
  // Other sockets need some of what there is, whatever happens here.
  server.maxConnections = 2 * mostConnections;
  await listenOnUnixSocket(server, options);
  return {
    async close() {
      await rm(options.path, { force: true });
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  { routes, onError }: UnixSocketOptions,
  onAsked: () => void,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  let text: string | undefined;
  let status = 403;
  try {
    const path = request.url ?? '';
    const answer = request.method === 'POST' && Object.hasOwn(routes, path) ? routes[path] : undefined;
    const form = answer && (await readForm(request));
    onAsked();
    text = form && (await answer?.(form, gone.signal));
    if (text !== undefined) status = 200;
  } catch (error) {
    status = 500;
    text = undefined;
    // A client that is gone did not keep us from answering.
    if (!gone.signal.aborted) onError(error);
  }
  const body = Buffer.from(text ?? '', 'utf8');
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    // programs/ask.c believes nothing that may have been cut off.
    'content-length': body.length,
    connection: 'close',
  });
  response.end(body);
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > longestForm) return undefined;
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}
