/**
 * `sally` as an OAuth client: public, native (RFC 8252), with PKCE (RFC 7636) and tokens bound to a key of its own
 * (RFC 9449). Only this file knows the OAuth library; it is loaded by who needs tokens, not by `sally status`.
 */
import * as oauth from 'oauth4webapi';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { GuardedFetch } from './guarded-fetch.ts';
import { printable } from './printable.ts';
import { isLoopback } from './server-url.ts';
import type { DpopKey, Tokens } from './session-file.ts';

export interface OauthParts {
  readonly server: URL;
  readonly fetch: GuardedFetch;
  readonly nowSeconds: number;
}

const client: oauth.Client = { client_id: 'sally', token_endpoint_auth_method: 'none' };
const scope = 'openid offline_access';

/** The audience of our access tokens. */
export function resourceOf(server: URL): string {
  return `${server.origin}/v1`;
}

/** Reads the server's metadata (OpenID Connect Discovery 1.0). @throws unavailable, login_provider_error */
export async function discover({ server, fetch }: OauthParts): Promise<oauth.AuthorizationServer> {
  const issuer = new URL(`${server.origin}/oauth`);
  const as = await speaking(async () => {
    const response = await oauth.discoveryRequest(issuer, requestOptions({ server, fetch }));
    return await oauth.processDiscoveryResponse(issuer, response);
  });
  for (const endpoint of [as.authorization_endpoint, as.token_endpoint]) {
    if (!endpoint || !URL.canParse(endpoint) || new URL(endpoint).origin !== server.origin) {
      throw new SallyportError(
        'login_provider_error',
        `${server.origin} names a login address that is not its own. Check --server, and the server's public URL.`,
      );
    }
  }
  return as;
}

export interface LoginAttempt {
  readonly as: oauth.AuthorizationServer;
  readonly redirectUri: string;
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  /** Where the person's browser goes. */
  readonly url: URL;
}

export async function startAttempt(
  as: oauth.AuthorizationServer,
  { server, redirectUri, deviceName }: { server: URL; redirectUri: string; deviceName: string | undefined },
): Promise<LoginAttempt> {
  const state = oauth.generateRandomState();
  const nonce = oauth.generateRandomNonce();
  const verifier = oauth.generateRandomCodeVerifier();
  const url = new URL(as.authorization_endpoint ?? '');
  url.search = new URLSearchParams({
    client_id: client.client_id,
    response_type: 'code',
    redirect_uri: redirectUri,
    scope,
    // OpenID Connect Core sections 3.1.2.1 and 11: a login means a person logging in; offline access wants consent.
    prompt: 'login consent',
    resource: resourceOf(server),
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    // Shown in lists of sessions.
    ...(deviceName && { device_name: deviceName }),
  }).toString();
  return { as, redirectUri, state, nonce, verifier, url };
}

/** Tokens for the callback's code; checks state, iss (RFC 9207) and nonce. @throws login_rejected, unavailable, ... */
export async function finishAttempt(
  parts: OauthParts,
  attempt: LoginAttempt,
  callback: URL,
  key: DpopKey,
): Promise<Tokens> {
  const { as, state, nonce, redirectUri, verifier } = attempt;
  return await speaking(async () => {
    const parameters = oauth.validateAuthResponse(as, client, callback, state);
    const DPoP = await dpopHandle(key);
    const reply = await retriedForNonce(async () => {
      const response = await oauth.authorizationCodeGrantRequest(
        as,
        client,
        oauth.None(),
        parameters,
        redirectUri,
        verifier,
        { ...requestOptions(parts), DPoP, additionalParameters: { resource: resourceOf(parts.server) } },
      );
      return await oauth.processAuthorizationCodeResponse(as, client, response, {
        expectedNonce: nonce,
        requireIdToken: true,
      });
    });
    return tokensOf(reply, parts.nowSeconds, undefined);
  });
}

/**
 * New tokens for the refresh token, which is used up by it. A lost reply is asked for again at once: within 30 seconds
 * the server takes the same refresh token from the same key a second time.
 * @throws grant_invalid: the session is over; unavailable: nothing is known
 */
export async function refresh(
  parts: OauthParts,
  from: { tokenEndpoint: string; refreshToken: string; key: DpopKey },
): Promise<Tokens> {
  const as = {
    issuer: `${parts.server.origin}/oauth`,
    token_endpoint: from.tokenEndpoint,
    // Of the ID token that comes along; what the metadata say, which is not fetched again for a refresh.
    id_token_signing_alg_values_supported: ['ES256'],
  };
  const DPoP = await dpopHandle(from.key);
  const ask = () =>
    retriedForNonce(async () => {
      const response = await oauth.refreshTokenGrantRequest(as, client, oauth.None(), from.refreshToken, {
        ...requestOptions(parts),
        DPoP,
        additionalParameters: { resource: resourceOf(parts.server) },
      });
      return await oauth.processRefreshTokenResponse(as, client, response);
    });
  return await speaking(async () => {
    const reply = await ask().catch((error) => {
      if (isLostReply(error)) return ask();
      throw error;
    });
    return tokensOf(reply, parts.nowSeconds, from.refreshToken);
  });
}

/** A request with the access token and a proof of the key. The reply may be a refusal: the caller reads it. */
export async function requestWithToken(
  parts: Pick<OauthParts, 'server' | 'fetch'>,
  request: { method: string; url: URL; body: string | null; accessToken: string; key: DpopKey },
): Promise<Response> {
  const { method, url, body, accessToken, key } = request;
  const headers = new Headers({ accept: 'application/json' });
  if (body !== null) headers.set('content-type', 'application/json');
  const DPoP = await dpopHandle(key);
  const send = async () =>
    await oauth.protectedResourceRequest(accessToken, method, url, headers, body, {
      ...requestOptions(parts),
      DPoP,
    });
  try {
    return await retriedForNonce(send);
  } catch (error) {
    if (error instanceof oauth.WWWAuthenticateChallengeError) return error.response;
    throw error;
  }
}

export async function newDpopKey(): Promise<DpopKey> {
  const { privateKey } = await oauth.generateKeyPair('ES256', { extractable: true });
  const { x = '', y = '', d = '' } = await crypto.subtle.exportKey('jwk', privateKey);
  return { kty: 'EC', crv: 'P-256', x, y, d };
}

async function dpopHandle({ d, ...publicJwk }: DpopKey): Promise<oauth.DPoPHandle> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  const privateKey = await crypto.subtle.importKey('jwk', { ...publicJwk, d }, algorithm, false, ['sign']);
  const publicKey = await crypto.subtle.importKey('jwk', publicJwk, algorithm, true, ['verify']);
  return oauth.DPoP(client, { privateKey, publicKey });
}

/** A server may want a nonce of its own in the proof (RFC 9449 section 8); the handle has kept it by then. */
async function retriedForNonce<T>(send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error;
    return await send();
  }
}

function requestOptions({ server, fetch }: Pick<OauthParts, 'server' | 'fetch'>) {
  return {
    [oauth.customFetch]: (url: string, init: oauth.CustomFetchOptions<string, unknown>) =>
      fetch(url, {
        method: init.method,
        headers: init.headers,
        body: (init.body ?? null) as NonNullable<RequestInit['body']> | null,
      }),
    [oauth.allowInsecureRequests]: server.protocol === 'http:' && isLoopback(server.hostname),
  };
}

function tokensOf(
  reply: oauth.TokenEndpointResponse,
  nowSeconds: number,
  earlier: string | undefined,
): Tokens {
  const refreshToken = reply.refresh_token ?? earlier;
  if (reply.token_type !== 'dpop' || !refreshToken) {
    throw new SallyportError(
      'login_provider_error',
      'The server gave tokens that are not bound to this machine, or that cannot be renewed. Nothing was kept.',
    );
  }
  return {
    access_token: reply.access_token,
    access_token_expires_at: nowSeconds + Math.floor(reply.expires_in ?? 60),
    refresh_token: refreshToken,
  };
}

function isLostReply(error: unknown): boolean {
  return error instanceof SallyportError && error.code === 'unavailable';
}

/** The library's errors in ours. What the server wrote about itself comes along, for the person to read. */
async function speaking<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SallyportError || !(error instanceof Error)) throw error;
    throw translate(error);
  }
}

function translate(error: Error): SallyportError {
  const options = { cause: error, detail: `${error.name}: ${error.message}` };
  if (error instanceof oauth.AuthorizationResponseError) {
    const why = sentence(error.error_description ?? error.error);
    if (error.error === 'temporarily_unavailable' || error.error === 'server_error') {
      return new SallyportError(
        'unavailable',
        `The login did not work: ${why} Try again in a minute.`,
        options,
      );
    }
    return new SallyportError(
      'login_rejected',
      `The login was refused: ${why} To try again: sally login`,
      options,
    );
  }
  if (error instanceof oauth.ResponseBodyError) {
    const why = sentence(error.error_description ?? error.error);
    if (error.status >= 500) {
      return new SallyportError(
        'unavailable',
        `The server is in trouble: ${why} Try again in a minute.`,
        options,
      );
    }
    if (error.error === 'invalid_grant') {
      return new SallyportError('grant_invalid', 'session expired, run: sally login', options);
    }
    return new SallyportError('login_rejected', `The server refused: ${why} Run: sally login`, options);
  }
  const status = (error.cause as { status?: number } | undefined)?.status ?? 0;
  if (status >= 500) {
    return new SallyportError(
      'unavailable',
      `The server is in trouble (${status}). Try again in a minute.`,
      options,
    );
  }
  return new SallyportError(
    'login_provider_error',
    `The server answered in a way that is not to be trusted (${printable(error.message)}). Is this a Sallyport server? Check --server.`,
    options,
  );
}

/** What the server wrote, safe to show, with its full stop. */
function sentence(text: string): string {
  return `${printable(text).replace(/[.\s]+$/, '')}.`;
}
