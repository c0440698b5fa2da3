/** The server's API, with every reply checked against its schema and every refusal as our own error. */
import { z } from 'zod';
import { type ErrorCode, errorTable } from '../errors/codes.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { nowSeconds, type SallyContext } from './context.ts';
import { createGuardedFetch, type GuardedFetch } from './guarded-fetch.ts';
import type { OauthParts } from './oauth/client.ts';
import { printable } from './printable.ts';
import {
  type LiveSession,
  type StoredSession,
  sessionOver,
  type Tokens,
  writeSession,
} from './session-file.ts';
import { senderOf } from './tls/sender-of.ts';

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

const problem = z.object({
  code: z.string(),
  detail: z.string(),
  /** Of a 401 that wants a stronger login (RFC 9470 section 3). */
  acr_values: z.string().optional().catch(undefined),
  max_age: z.int().min(0).optional().catch(undefined),
  /** Of a refusal by policy (docs/refusals.md). */
  reasons: z.array(z.string()).optional().catch(undefined),
});

export function fetchOf(context: SallyContext, server: URL): GuardedFetch {
  const userAgent = `sally/${context.environment.version ?? '0'}`;
  const { debug, patienceMilliseconds: timeoutMilliseconds } = context;
  return createGuardedFetch({ server, debug, userAgent, timeoutMilliseconds, send: senderOf(context) });
}

/** What OAuth requests of this run share. */
export function oauthParts(context: SallyContext, server: URL): OauthParts {
  return {
    server,
    fetch: fetchOf(context, server),
    nonce: context.nonce,
    nowSeconds: nowSeconds(context),
  };
}

/** @throws what the server's problem document says; unavailable */
export async function callApi<Reply>(
  context: SallyContext,
  credentials: Credentials,
  { method, path, body, reply }: ApiRequest<Reply>,
): Promise<Reply> {
  const { requestWithToken } = await import('./oauth/api-request.ts');
  const server = new URL(credentials.server);
  const response = await requestWithToken(oauthParts(context, server), {
    method,
    url: new URL(path, server),
    body: body === undefined ? null : JSON.stringify(body),
    accessToken: credentials.tokens.access_token,
    key: credentials.dpop_key,
  });
  return await replyOf(response, reply);
}

/** The same where nobody need be logged in. */
export async function callOpen<Reply>(
  context: SallyContext,
  server: URL,
  { method, path, reply }: ApiRequest<Reply>,
): Promise<Reply> {
  const headers = { accept: 'application/json' };
  return await replyOf(
    await fetchOf(context, server)(String(new URL(path, server)), { method, headers }),
    reply,
  );
}

async function replyOf<Reply>(response: Response, reply: ApiRequest<Reply>['reply']): Promise<Reply> {
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
export async function refreshSession(context: SallyContext, session: LiveSession): Promise<LiveSession> {
  const next = await refreshedTokens(context, session);
  await writeSession(context, next);
  return next;
}

/** The same for a session that is about to be forgotten. */
export async function refreshedTokens(context: SallyContext, session: LiveSession): Promise<LiveSession> {
  const { refresh_token } = session.tokens;
  if (refresh_token === null) throw sessionOver();
  const { refresh } = await import('./oauth/refresh.ts');
  const tokens = await refresh(oauthParts(context, new URL(session.server)), {
    tokenEndpoint: session.token_endpoint,
    refreshToken: refresh_token,
    key: session.dpop_key,
  });
  redactTokens(context, tokens);
  return { ...session, tokens, dpop_nonce: context.nonce.latest ?? session.dpop_nonce };
}

export function redactTokens({ debug }: SallyContext, { access_token, refresh_token }: Tokens): void {
  debug.redact(access_token);
  if (refresh_token !== null) debug.redact(refresh_token);
}

function refusal(status: number, text: string): SallyportError {
  const said = problem.safeParse(parseJson(text)).data;
  if (said && Object.hasOwn(errorTable, said.code)) {
    const { acr_values, max_age, reasons } = said;
    return new SallyportError(said.code as ErrorCode, printable(said.detail), {
      members: {
        ...(acr_values && { acr_values }),
        ...(max_age !== undefined && { max_age }),
        ...(reasons && { reasons }),
      },
    });
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
