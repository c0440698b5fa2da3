/**
 * What every OAuth request of `sally` shares: a public native client (RFC 8252) whose tokens are bound to a key of its own
 * (RFC 9449). Only this folder knows the OAuth library; it is loaded by who needs tokens, not by `sally status`.
 */
import * as oauth from 'oauth4webapi';
import { SallyportError } from '../../errors/sallyport-error.ts';
import type { DpopNonce } from '../dpop-nonce.ts';
import type { GuardedFetch } from '../guarded-fetch.ts';
import { isLoopback } from '../server-url.ts';
import type { DpopKey, Tokens } from '../session-file.ts';

export interface OauthParts {
  readonly server: URL;
  readonly fetch: GuardedFetch;
  readonly nonce: DpopNonce;
  readonly nowSeconds: number;
}

export const client: oauth.Client = { client_id: 'sally', token_endpoint_auth_method: 'none' };

/** The audience of our access tokens (RFC 8707). */
export function resourceOf(server: URL): string {
  return `${server.origin}/v1`;
}

export async function newDpopKey(): Promise<DpopKey> {
  const { privateKey } = await oauth.generateKeyPair('ES256', { extractable: true });
  const { x = '', y = '', d = '' } = await crypto.subtle.exportKey('jwk', privateKey);
  return { kty: 'EC', crv: 'P-256', x, y, d };
}

/** Makes the proofs, with the nonce that the server gave last, also to an earlier process. */
export async function dpopHandle({ d, ...publicJwk }: DpopKey, nonce: DpopNonce): Promise<oauth.DPoPHandle> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  const privateKey = await crypto.subtle.importKey('jwk', { ...publicJwk, d }, algorithm, false, ['sign']);
  const publicKey = await crypto.subtle.importKey('jwk', publicJwk, algorithm, true, ['verify']);
  return oauth.DPoP(
    client,
    { privateKey, publicKey },
    {
      [oauth.modifyAssertion]: (_header, payload) => {
        if (nonce.latest !== undefined) payload['nonce'] = nonce.latest;
        payload['iat'] = Math.floor(Date.now() / 1000) + nonce.clockOffsetSeconds;
      },
    },
  );
}

/**
 * A server may want a nonce of its own in the proof (RFC 9449 section 8), or a proof of its own time; the reply that said
 * so has brought both.
 */
export async function retriedForNonce<T>(nonce: DpopNonce, send: () => Promise<T>): Promise<T> {
  const { clockOffsetSeconds: before } = nonce;
  try {
    return await send();
  } catch (error) {
    const isOfAnotherTime = nonce.clockOffsetSeconds !== before && isAboutProof(error);
    if (!oauth.isDPoPNonceError(error) && !isOfAnotherTime) throw error;
    return await send();
  }
}

function isAboutProof(error: unknown): boolean {
  if (error instanceof oauth.ResponseBodyError) return error.error === 'invalid_dpop_proof';
  if (!(error instanceof oauth.WWWAuthenticateChallengeError)) return false;
  return error.cause.some(({ parameters }) => parameters.error === 'invalid_dpop_proof');
}

/** The client whose clock is the server's, for what says until when it is good. */
export function clientAt({ clockOffsetSeconds }: DpopNonce): oauth.Client {
  return { ...client, [oauth.clockSkew]: clockOffsetSeconds };
}

export function requestOptions({ server, fetch, nonce }: Pick<OauthParts, 'server' | 'fetch' | 'nonce'>) {
  return {
    [oauth.customFetch]: async (url: string, init: oauth.CustomFetchOptions<string, unknown>) => {
      const response = await fetch(url, {
        method: init.method,
        headers: init.headers,
        body: (init.body ?? null) as NonNullable<RequestInit['body']> | null,
      });
      nonce.remember(response.headers.get('dpop-nonce'));
      nonce.rememberDate(response.headers.get('date'));
      return response;
    },
    [oauth.allowInsecureRequests]: server.protocol === 'http:' && isLoopback(server.hostname),
  };
}

export function tokensOf(
  reply: oauth.TokenEndpointResponse,
  nowSeconds: number,
  refreshToken: string | null,
): Tokens {
  if (reply.token_type !== 'dpop') {
    throw new SallyportError(
      'login_provider_error',
      'The server gave tokens that are not bound to this machine. Nothing was kept.',
    );
  }
  return {
    access_token: reply.access_token,
    access_token_expires_at: nowSeconds + Math.floor(reply.expires_in ?? 60),
    refresh_token: refreshToken,
  };
}

/** Tokens of a person's login, which can be renewed. */
export function renewableTokensOf(
  reply: oauth.TokenEndpointResponse,
  nowSeconds: number,
  earlier?: string,
): Tokens {
  const refreshToken = reply.refresh_token ?? earlier;
  if (refreshToken) return tokensOf(reply, nowSeconds, refreshToken);
  throw new SallyportError(
    'login_provider_error',
    'The server gave tokens that cannot be renewed. Nothing was kept.',
  );
}
