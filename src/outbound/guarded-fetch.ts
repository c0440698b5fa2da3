/**
 * HTTP towards identity providers. Their addresses come from settings and from documents that they publish, so every
 * request is held to https, to a time, to a size, and to the address it was meant for: a redirect is an error. The
 * address that was checked is the one that is connected to, whatever the name resolves to a moment later.
 */
import { lookup } from 'node:dns/promises';
import http from 'node:http';
import https from 'node:https';
import { type BlockList, isIP, type LookupFunction } from 'node:net';
import { SallyportError } from '../errors/sallyport-error.ts';
import { addressKind, isWithin, networkList } from './addresses.ts';

export interface GuardedFetchOptions {
  /** http:// towards this very machine, for demos and tests. Anything else over http:// is refused in any case. */
  readonly allowInsecureLoopback?: boolean;
  /** Networks in CIDR notation that may be reached although they are not public. */
  readonly privateNetworks?: readonly string[];
  /** Hosts (with port, as in a URL) that may be at private addresses, since the operator has named them. */
  readonly privateHosts?: readonly string[];
  readonly timeoutMilliseconds?: number;
  readonly responseLimitBytes?: number;
  /** All addresses of a name; the machine's resolver if it is left out. */
  readonly resolve?: (hostname: string) => Promise<readonly string[]>;
}

/** As openid-client's `customFetch` wants it. */
export type GuardedFetch = (url: string, init: GuardedRequest) => Promise<Response>;

export interface GuardedRequest {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  /** Text or a form. */
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

const defaultTimeoutMilliseconds = 10_000;
const defaultLimitBytes = 1024 * 1024;

/** The replies are read whole before they are handed out. Every failure is a login_provider_error. */
export function createGuardedFetch(options: GuardedFetchOptions = {}): GuardedFetch {
  const { allowInsecureLoopback = false } = options;
  const timeout = options.timeoutMilliseconds ?? defaultTimeoutMilliseconds;
  const limit = options.responseLimitBytes ?? defaultLimitBytes;
  const guard = createGuard(options);
  return async (address, request) => {
    const url = new URL(address);
    requireAcceptableUrl(url, allowInsecureLoopback);
    const deadline = AbortSignal.timeout(timeout);
    try {
      // Node asks its resolver for names only.
      if (isIP(bare(url)) !== 0) guard.require(url, bare(url));
      const response = await send(url, request, guard.lookupFor(url), deadline);
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

interface Guard {
  /** @throws login_provider_error */
  require(url: URL, address: string): void;
  /** Resolves the name once, checks every address, and hands those very addresses to the socket. */
  lookupFor(url: URL): LookupFunction;
}

function createGuard(options: GuardedFetchOptions): Guard {
  const listed = networkList(options.privateNetworks ?? []);
  const resolve = options.resolve ?? resolveByMachine;
  const guard: Guard = {
    require: (url, address) => {
      if (!isAllowed(url, address, options, listed)) {
        throw refused(
          url,
          'its address is not a public one. If it is meant to be there, the operator of this server can allow its ' +
            'network (SALLYPORT_PRIVATE_PROVIDERS)',
          // Not in the message: whoever may name a host would learn what names mean inside.
          address,
        );
      }
    },
    lookupFor:
      (url) =>
      (hostname, { all }, callback) => {
        resolve(hostname).then(
          (addresses) => {
            try {
              for (const address of addresses) guard.require(url, address);
            } catch (error) {
              callback(error as Error, '');
              return;
            }
            const found = addresses.map((address) => ({ address, family: isIP(address) }));
            const [first] = found;
            if (first === undefined) callback(new Error(`${hostname} has no address`), '');
            else if (all) callback(null, found);
            else callback(null, first.address, first.family);
          },
          (error: Error) => callback(error, ''),
        );
      },
  };
  return guard;
}

function isAllowed(
  url: URL,
  address: string,
  { allowInsecureLoopback = false, privateHosts = [] }: GuardedFetchOptions,
  listed: BlockList,
): boolean {
  const kind = addressKind(address);
  if (url.protocol === 'http:') return kind === 'loopback' && allowInsecureLoopback;
  if (kind === 'public') return true;
  // Whoever names these does so by mistake, or for somebody else.
  if (kind === 'metadata') return false;
  if (isWithin(address, listed)) return true;
  if (kind === 'loopback' && allowInsecureLoopback) return true;
  return (kind === 'private' || kind === 'loopback') && privateHosts.includes(url.host);
}

async function resolveByMachine(hostname: string): Promise<string[]> {
  return (await lookup(hostname, { all: true })).map(({ address }) => address);
}

function send(
  url: URL,
  { method = 'GET', headers = {}, body, signal }: GuardedRequest,
  lookup: LookupFunction,
  deadline: AbortSignal,
): Promise<http.IncomingMessage> {
  const text = body === undefined || body === null ? undefined : String(body);
  const isForm = body instanceof URLSearchParams;
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? https : http).request(url, {
      method,
      headers: {
        ...(isForm ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
        ...headers,
        // What is unpacked has no size that one could know before.
        'accept-encoding': 'identity',
        ...(text === undefined ? {} : { 'content-length': String(Buffer.byteLength(text)) }),
      },
      // Said, because otherwise NODE_TLS_REJECT_UNAUTHORIZED, often set for something else, counts.
      rejectUnauthorized: true,
      // One connection for each request: none that was checked for another.
      agent: false,
      lookup,
      signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
    });
    request.once('response', resolve);
    // Not once: a connection may fail twice.
    request.on('error', reject);
    request.end(text);
  });
}

async function wholeResponse(message: http.IncomingMessage, url: URL, limit: number): Promise<Response> {
  const { statusCode: status = 0, statusMessage: statusText = '' } = message;
  try {
    if (status >= 300 && status < 400) throw refused(url, `it answered with a redirect (${status})`);
    if ((message.headers['content-encoding'] ?? 'identity') !== 'identity') {
      throw refused(url, 'its answer is compressed, which it was not asked for');
    }
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of message as AsyncIterable<Buffer>) {
      size += chunk.byteLength;
      if (size > limit) throw refused(url, `its answer is larger than ${limit} bytes`);
      chunks.push(chunk);
    }
    const headers = new Headers();
    for (const [name, values] of Object.entries(message.headersDistinct)) {
      for (const value of values ?? []) headers.append(name, value);
    }
    // 204 and 205 must have no body at all (Fetch standard, "null body status").
    const body = status === 204 || status === 205 ? null : Buffer.concat(chunks);
    return new Response(body, { status, statusText, headers });
  } finally {
    message.destroy();
  }
}

function bare(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

function refused(url: URL, why: string, detail = url.pathname): SallyportError {
  return new SallyportError(
    'login_provider_error',
    `The identity provider at ${url.origin} can not be used: ${why}. Tell its administrator.`,
    { detail },
  );
}
