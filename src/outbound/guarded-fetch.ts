/**
 * HTTP towards identity providers. Their addresses come from settings and from documents that they publish, so every
 * request is held to https, to a time, to a size, and to the address it was meant for: a redirect is an error.
 */
import { isIP } from 'node:net';
import { SallyportError } from '../errors/sallyport-error.ts';

export interface GuardedFetchOptions {
  /** http:// towards this very machine, for demos and tests. Anything else over http:// is refused in any case. */
  readonly allowInsecureLoopback: boolean;
  readonly timeoutMilliseconds?: number;
  readonly responseLimitBytes?: number;
}

/** As openid-client's `customFetch` wants it. */
export type GuardedFetch = (url: string, init: GuardedRequest) => Promise<Response>;

export interface GuardedRequest {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

type RequestBody = NonNullable<NonNullable<Parameters<typeof fetch>[1]>['body']> | null;

const defaultTimeoutMilliseconds = 10_000;
const defaultLimitBytes = 1024 * 1024;

/** The replies are read whole before they are handed out. Every failure is a login_provider_error. */
export function createGuardedFetch(options: GuardedFetchOptions): GuardedFetch {
  const timeout = options.timeoutMilliseconds ?? defaultTimeoutMilliseconds;
  const limit = options.responseLimitBytes ?? defaultLimitBytes;
  return async (address, { method, headers, body, signal }) => {
    const url = new URL(address);
    requireAcceptableUrl(url, options.allowInsecureLoopback);
    const deadline = AbortSignal.timeout(timeout);
    try {
      const response = await fetch(url, {
        method: method ?? 'GET',
        headers: headers ?? {},
        body: (body ?? null) as RequestBody,
        redirect: 'manual',
        signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
      });
      return await wholeResponse(response, url, limit);
    } catch (error) {
      if (error instanceof SallyportError) throw error;
      const why = deadline.aborted ? `no answer within ${timeout / 1000} s` : 'it can not be reached';
      throw new SallyportError(
        'login_provider_error',
        `The identity provider at ${url.origin} does not answer: ${why}. Try again; if it stays so, tell its administrator.`,
        { cause: error, detail: String((error as Error).cause ?? error) },
      );
    }
  };
}

/** @throws login_provider_error unless the URL is https, or http on loopback where that is allowed */
export function requireAcceptableUrl(url: URL, allowInsecureLoopback: boolean): void {
  const secure = url.protocol === 'https:';
  const demo = url.protocol === 'http:' && allowInsecureLoopback && isLoopbackHost(url.hostname);
  if ((secure || demo) && url.username === '' && url.password === '') return;
  throw new SallyportError(
    'login_provider_error',
    `The identity provider's address ${url.protocol}//${url.host} is not acceptable: expected https://.`,
  );
}

/** Whether a URL's host name is this machine by definition, not by a name that may resolve to anything. */
export function isLoopbackHost(hostname: string): boolean {
  if (hostname === 'localhost' || hostname === '[::1]') return true;
  return isIP(hostname) === 4 && hostname.startsWith('127.');
}

async function wholeResponse(response: Response, url: URL, limit: number): Promise<Response> {
  if (response.status >= 300 && response.status < 400) {
    await response.body?.cancel();
    throw refused(url, `it answered with a redirect (${response.status})`);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > limit) throw refused(url, `its answer is larger than ${limit} bytes`);
    chunks.push(chunk);
  }
  const { status, statusText, headers } = response;
  // 204 and 304 must have no body at all (Fetch standard, "null body status").
  const body = status === 204 || status === 304 ? null : Buffer.concat(chunks);
  return new Response(body, { status, statusText, headers });
}

function refused(url: URL, why: string): SallyportError {
  return new SallyportError(
    'login_provider_error',
    `The identity provider at ${url.origin} can not be used: ${why}. Tell its administrator.`,
    { detail: url.pathname },
  );
}
