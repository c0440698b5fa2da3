/**
 * fetch() for one server: bounded in time and size, sent nowhere else, never redirected, its failures in the words of a
 * person.
 */
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import type { DebugLog } from './debug-log.ts';
import type { PlainRequest } from './tls/send-request.ts';

const largestReply = 4 * 1024 * 1024;

export type GuardedFetch = (url: string, init: RequestInit) => Promise<Response>;

/** @throws unavailable */
export function createGuardedFetch(settings: {
  server: URL;
  debug: DebugLog;
  userAgent: string;
  timeoutMilliseconds: number;
  send: (url: URL, asked: PlainRequest) => Promise<Response>;
}): GuardedFetch {
  const { server, debug, userAgent, timeoutMilliseconds, send } = settings;
  return async (address, init) => {
    const url = new URL(address);
    if (url.origin !== server.origin) {
      throw new SallyportError(
        'login_provider_error',
        `The server ${server.origin} points to another origin for its own API. Check the server's public URL.`,
      );
    }
    const headers = new Headers(init.headers);
    headers.set('user-agent', userAgent);
    const method = init.method ?? 'GET';
    const started = performance.now();
    try {
      const body = bodyOf(init.body ?? null);
      const response = await send(url, { method, headers, body, timeoutMilliseconds, largestReply });
      const took = Math.round(performance.now() - started);
      debug.say(`${method} ${url.origin}${url.pathname} -> ${response.status} (${took} ms)`);
      return response;
    } catch (error) {
      // A server that is not believed has said why; it did not get the request.
      if (isSallyportError(error) && error.code !== 'unavailable') throw error;
      debug.say(`${method} ${url.origin}${url.pathname} failed: ${failureOf(error, timeoutMilliseconds)}`);
      throw new SallyportError(
        'unavailable',
        `${server.origin} cannot be reached (${failureOf(error, timeoutMilliseconds)}). Is it running, and is this machine online?`,
        { cause: error },
      );
    }
  };
}

/** What our requests have for one. */
function bodyOf(body: RequestInit['body']): string | Uint8Array | null {
  if (body === null || typeof body === 'string' || body instanceof Uint8Array) return body;
  return String(body as URLSearchParams);
}

function failureOf(error: unknown, timeoutMilliseconds: number): string {
  if (!(error instanceof Error)) return 'unknown failure';
  const isTimeout =
    error.name === 'TimeoutError' || (error.cause as Error | undefined)?.name === 'TimeoutError';
  if (isTimeout) return `no answer in ${timeoutMilliseconds / 1000} s`;
  const { cause, code } = error as { cause?: { code?: unknown; message?: unknown }; code?: unknown };
  if (isSallyportError(error) && cause === undefined) return error.message;
  return String(cause?.code ?? cause?.message ?? code ?? error.message);
}
