/**
 * HTTP over a unix socket: one POST route that takes a form and answers plain text. The socket is made in a folder that
 * only this user may enter, gets its mode and owner there, and is renamed to its place: at no moment can anybody connect
 * who may not.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { chmod, chown, rename, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import { checkSocketPath } from './paths.ts';

export interface UnixSocketServer {
  close(): Promise<void>;
}

export interface UnixSocketOptions {
  readonly path: string;
  readonly mode: number;
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  /** More at once are closed unheard: whoever may connect must not use up what other sockets need. */
  readonly mostConnections: number;
  /** Such as /principals. */
  readonly route: string;
  /** undefined: 403 and no words. Throwing: 500 and no words. */
  readonly answer: (form: URLSearchParams) => string | undefined;
  readonly onError: (error: unknown) => void;
}

/** A certificate with 32 principals is about 8 kB in base64; what a client asks to run may be longer. */
const longestForm = 256 * 1024;

export async function serveUnixSocket(options: UnixSocketOptions): Promise<UnixSocketServer> {
  const server = createServer({ requestTimeout: 5_000, headersTimeout: 5_000 }, (request, response) => {
    void handle(request, response, options);
  });
  server.maxConnections = options.mostConnections;
  const folder = mkdtempSync(join(dirname(options.path), '.s'));
  const made = join(folder, 's');
  try {
    checkSocketPath(made);
    await listen(server, made);
    await chmod(made, options.mode);
    if (options.owner) await chown(made, options.owner.uid, options.owner.gid);
    await rename(made, options.path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return {
    async close() {
      await rm(options.path, { force: true });
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  { route, answer, onError }: UnixSocketOptions,
): Promise<void> {
  let text: string | undefined;
  let status = 403;
  try {
    const form = request.method === 'POST' && request.url === route ? await readForm(request) : undefined;
    text = form && answer(form);
    if (text !== undefined) status = 200;
  } catch (error) {
    status = 500;
    text = undefined;
    onError(error);
  }
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
  response.end(text ?? '');
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
