/** The server's API, with every reply checked against its schema and every refusal as our own error. */
import { z } from 'zod';
import { type ErrorCode, errorTable } from '../errors/codes.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { nowSeconds, type SallyContext } from './context.ts';
import { createGuardedFetch, type GuardedFetch } from './guarded-fetch.ts';
import { printable } from './printable.ts';
import { liveSession, type StoredSession, type Tokens, writeSession } from './session-file.ts';

/** What the API needs of a session. */
export interface Credentials {
  readonly server: string;
  readonly dpop_key: StoredSession['dpop_key'];
  readonly tokens: Tokens;
}

export interface ApiRequest<Reply> {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: unknown;
  /** null: the reply is empty. */
  readonly reply: z.ZodType<Reply> | null;
}

const problem = z.object({ code: z.string(), detail: z.string() });

export function fetchOf(context: SallyContext, server: URL): GuardedFetch {
  const userAgent = `sally/${context.environment.version ?? '0'}`;
  const { debug, patienceMilliseconds: timeoutMilliseconds } = context;
  return createGuardedFetch({ server, debug, userAgent, timeoutMilliseconds });
}

/** @throws what the server's problem document says; unavailable */
export async function callApi<Reply>(
  context: SallyContext,
  credentials: Credentials,
  { method, path, body, reply }: ApiRequest<Reply>,
): Promise<Reply> {
  const { requestWithToken } = await import('./oauth-client.ts');
  const server = new URL(credentials.server);
  const response = await requestWithToken(
    { server, fetch: fetchOf(context, server) },
    {
      method,
      url: new URL(path, server),
      body: body === undefined ? null : JSON.stringify(body),
      accessToken: credentials.tokens.access_token,
      key: credentials.dpop_key,
    },
  );
  const text = await response.text();
  if (!response.ok) throw refusal(response.status, text);
  if (reply === null) return undefined as Reply;
  const parsed = reply.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new SallyportError(
    'login_provider_error',
    'The server answered with something that this sally does not accept. Is it of another version? Nothing was changed.',
    { detail: z.prettifyError(parsed.error) },
  );
}

/**
 * The same session with new tokens, which are on disk before anybody uses them. The caller holds the state lock.
 * @throws grant_invalid: the session is over; unavailable
 */
export async function refreshSession(
  context: SallyContext,
  session: StoredSession & { tokens: Tokens },
): Promise<StoredSession & { tokens: Tokens }> {
  const { refresh } = await import('./oauth-client.ts');
  const server = new URL(session.server);
  const tokens = await refresh(
    { server, fetch: fetchOf(context, server), nowSeconds: nowSeconds(context) },
    {
      tokenEndpoint: session.token_endpoint,
      refreshToken: session.tokens.refresh_token,
      key: session.dpop_key,
    },
  );
  context.debug.redact(tokens.access_token);
  context.debug.redact(tokens.refresh_token);
  const next = liveSession({ ...session, tokens });
  await writeSession(context.paths, next);
  return next;
}

function refusal(status: number, text: string): SallyportError {
  const said = problem.safeParse(parseJson(text)).data;
  if (said && Object.hasOwn(errorTable, said.code)) {
    return new SallyportError(said.code as ErrorCode, printable(said.detail));
  }
  if (status >= 500 || status === 429) {
    return new SallyportError('unavailable', `The server is in trouble (${status}). Try again in a minute.`);
  }
  return new SallyportError(
    'login_provider_error',
    `The server answered with status ${status} and no reason. Is this a Sallyport server? Check --server.`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
