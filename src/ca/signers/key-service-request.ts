/**
 * HTTP towards a key service that speaks JSON: https, or http to this very machine; no redirects; replies bounded in
 * size. What a request carries (a token) never gets into an error, and of a reply only the service's own words for a
 * failure do.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { isLoopbackHost } from '../../outbound/guarded-fetch.ts';

export interface KeyServiceRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
}

export interface KeyServiceReply {
  readonly status: number;
  /** The parsed JSON; undefined if the reply is not JSON. */
  readonly body: unknown;
}

export interface KeyService {
  ask(request: KeyServiceRequest, signal: AbortSignal): Promise<KeyServiceReply>;
  close(): void;
}

export interface KeyServiceOptions {
  /** As messages call it. */
  readonly name: string;
  /** The setting that holds the address, for the message. */
  readonly setting: string;
  readonly address: string;
  /** Certificate authorities in PEM form, instead of the system's. */
  readonly ca?: Buffer | undefined;
}

const longestReply = 256 * 1024;
const longestExcerpt = 300;

/** @throws settings_invalid if the address is not acceptable */
export function openKeyService({ name, setting, address, ca }: KeyServiceOptions): KeyService {
  const base = parseAddress(address, name, setting);
  const isSecure = base.protocol === 'https:';
  // Said, because otherwise NODE_TLS_REJECT_UNAUTHORIZED, often set for something else, counts.
  const secured = { keepAlive: true, ca, rejectUnauthorized: true };
  const agent = isSecure ? new HttpsAgent(secured) : new HttpAgent({ keepAlive: true });
  const request = isSecure ? httpsRequest : httpRequest;
  const prefix = base.pathname.replace(/\/$/, '');

  /** @returns the reply's head */
  function send(
    { method, path, headers, body }: KeyServiceRequest,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const content = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const described =
      content === undefined ? {} : { 'content-type': 'application/json', 'content-length': content.length };
    return new Promise((resolve, reject) => {
      const options = { method, agent, signal, headers: { ...headers, ...described } };
      const sent = request(new URL(prefix + path, base), options, resolve);
      sent.on('error', (error) => reject(Object.assign(error, { onKeptConnection: sent.reusedSocket })));
      sent.end(content);
    });
  }

  return {
    ask: async (asked, signal) => {
      try {
        // A service ends connections that nobody used for a while, perhaps just as they are used again.
        const again = (error: unknown) => (wasEnded(error) ? send(asked, signal) : Promise.reject(error));
        return await readReply(await send(asked, signal).catch(again), name);
      } catch (error) {
        if (error instanceof SallyportError) throw error;
        const { code, message } = error as NodeJS.ErrnoException;
        const problem = signal.aborted ? 'it did not answer in time' : `no reply (${code ?? message})`;
        throw keyServiceFailure(name, problem);
      }
    },
    close: () => agent.destroy(),
  };
}

function wasEnded(error: unknown): boolean {
  const { code, onKeptConnection } = error as NodeJS.ErrnoException & { onKeptConnection?: boolean };
  return onKeptConnection === true && (code === 'ECONNRESET' || code === 'EPIPE');
}

/** What is thrown when a service fails: for the operator, without anything that was sent. */
export function keyServiceFailure(name: string, problem: string): SallyportError {
  return new SallyportError('signer_failed', `${name}: ${problem}.`);
}

/** What the service itself says about a failure, as text that harms no log. */
export function excerpt(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing');
  return text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, longestExcerpt);
}

async function readReply(response: IncomingMessage, name: string): Promise<KeyServiceReply> {
  const { statusCode: status = 0 } = response;
  if (status >= 300 && status < 400) {
    response.destroy();
    throw keyServiceFailure(name, `it answered with a redirect (${status})`);
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    size += chunk.length;
    if (size > longestReply) throw keyServiceFailure(name, `its reply is longer than ${longestReply} bytes`);
    chunks.push(chunk);
  }
  return { status, body: parseJson(Buffer.concat(chunks).toString('utf8')) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function parseAddress(address: string, name: string, setting: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const isPlain = url?.username === '' && url.password === '' && url.search === '' && url.hash === '';
  const isAcceptable =
    url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopbackHost(url.hostname));
  if (url && isPlain && isAcceptable) return url;
  throw new SallyportError(
    'settings_invalid',
    `${name}: ${setting} must be an https:// address (http:// only on this machine itself), without a user or a query.`,
  );
}
