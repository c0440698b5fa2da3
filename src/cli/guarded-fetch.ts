/**
 * fetch() for one server: bounded in time and size, sent nowhere else, never redirected, its failures in the words of a
 * person.
 */
import { SallyportError } from '../errors/sallyport-error.ts';
import type { DebugLog } from './debug-log.ts';

const largestReply = 4 * 1024 * 1024;

export type GuardedFetch = (url: string, init: RequestInit) => Promise<Response>;

/** @throws unavailable */
export function createGuardedFetch(settings: {
  server: URL;
  debug: DebugLog;
  userAgent: string;
  timeoutMilliseconds: number;
}): GuardedFetch {
  const { server, debug, userAgent, timeoutMilliseconds } = settings;
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
      const response = await fetch(url, {
        ...init,
        headers,
        redirect: 'manual',
        signal: AbortSignal.timeout(timeoutMilliseconds),
      });
      const body = await readBounded(response);
      const took = Math.round(performance.now() - started);
      debug.say(`${method} ${url.origin}${url.pathname} -> ${response.status} (${took} ms)`);
      const empty = response.status === 204 || response.status === 304;
      return new Response(empty ? null : body, { status: response.status, headers: response.headers });
    } catch (error) {
      debug.say(`${method} ${url.origin}${url.pathname} failed: ${failureOf(error, timeoutMilliseconds)}`);
      throw new SallyportError(
        'unavailable',
        `${server.origin} cannot be reached (${failureOf(error, timeoutMilliseconds)}). Is it running, and is this machine online?`,
        { cause: error },
      );
    }
  };
}

async function readBounded(response: Response): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > largestReply) throw new Error('its reply is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function failureOf(error: unknown, timeoutMilliseconds: number): string {
  if (!(error instanceof Error)) return 'unknown failure';
  if (error.name === 'TimeoutError') return `no answer in ${timeoutMilliseconds / 1000} s`;
  const { cause } = error as { cause?: { code?: unknown; message?: unknown } };
  return String(cause?.code ?? cause?.message ?? error.message);
}
