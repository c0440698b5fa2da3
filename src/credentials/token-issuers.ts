/**
 * Tokens of the issuers that rules name. Each issuer's address of its keys is discovered; both are kept and renewed as
 * outbound/ does it, so that one which is away for less than an hour is not missed.
 */
import { decodeProtectedHeader, type JWTPayload } from 'jose';
import { z } from 'zod';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import type { GuardedFetch } from '../outbound/guarded-fetch.ts';
import { keep } from '../outbound/kept.ts';
import { asymmetricAlgorithms, createRemoteKeys, type RemoteKeys } from '../outbound/remote-keys.ts';

export interface TokenIssuers {
  /**
   * Signature, issuer and times (RFC 7519, RFC 8725). Whom the token is for, the caller compares.
   * @param issuer one that a rule names @throws grant_invalid saying what is wrong; unavailable if its keys can't be had
   */
  verify(jwt: string, issuer: string): Promise<JWTPayload>;
}

const clockSkewSeconds = 60;
/** Kubernetes gives tokens for up to a day. */
export const oldestTokenSeconds = 86_400;
const freshSeconds = 600;
const goodSeconds = 3_600;
/** Anybody can send a token that names an issuer; while that is away it is not asked for each of them. */
const pauseMilliseconds = 30_000;

const discovery = z.object({ issuer: z.string(), jwks_uri: z.url() });

export function createTokenIssuers(fetch: GuardedFetch, clock: () => Date): TokenIssuers {
  const issuers = new Map<string, { readonly keys: RemoteKeys; failedAt: number }>();

  function known(issuer: string) {
    const found = issuers.get(issuer) ?? {
      keys: keysOf(issuer, fetch, clock),
      failedAt: Number.NEGATIVE_INFINITY,
    };
    issuers.set(issuer, found);
    return found;
  }

  return {
    verify: async (jwt, issuer) => {
      checkHeader(jwt);
      const from = known(issuer);
      if (clock().getTime() - from.failedAt < pauseMilliseconds)
        throw unavailable(issuer, 'asked a moment ago');
      const { claims } = await from.keys.verify(jwt, asymmetricAlgorithms).catch((error: unknown) => {
        if (isSallyportError(error) && error.code === 'token_invalid') {
          throw invalid('it is not signed by its issuer', error.detail);
        }
        from.failedAt = clock().getTime();
        throw unavailable(issuer, error);
      });
      checkClaims(claims, issuer, Math.floor(clock().getTime() / 1000));
      return claims;
    },
  };
}

function keysOf(issuer: string, fetch: GuardedFetch, clock: () => Date): RemoteKeys {
  const load = () => discoverKeys(issuer, fetch);
  const address = keep({ load, freshSeconds, goodSeconds, clock });
  return createRemoteKeys({ url: () => address.get(), fetch, clock });
}

async function discoverKeys(issuer: string, fetch: GuardedFetch): Promise<string> {
  // OpenID Connect Discovery 1.0 section 4: without the slash that the issuer may end with.
  const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const response = await fetch(address, { headers: { accept: 'application/json' } });
  if (!response.ok) throw new TypeError(`${address} answered ${response.status}`);
  const document = discovery.parse(await response.json());
  if (document.issuer !== issuer) throw new TypeError(`${address} speaks for another issuer`);
  return document.jwks_uri;
}

/** Other kinds of JWT than identity tokens say what they are (RFC 8725 section 3.11). */
function checkHeader(jwt: string): void {
  const { typ, kid } = headerOf(jwt);
  if (typ !== undefined && String(typ).toUpperCase() !== 'JWT') throw invalid('it is another kind of token');
  if (typeof kid !== 'string' || kid === '') throw invalid('it does not name its key');
}

function headerOf(jwt: string): ReturnType<typeof decodeProtectedHeader> {
  try {
    return decodeProtectedHeader(jwt);
  } catch {
    throw invalid('it is no signed JWT');
  }
}

/** RFC 7519 section 4.1. All but `nbf` must be there. */
function checkClaims({ iss, sub, iat, exp, nbf }: JWTPayload, issuer: string, now: number): void {
  if (iss !== issuer) throw invalid('it is of another issuer');
  if (typeof sub !== 'string' || sub === '') throw invalid('it has no subject');
  if (!isTime(iat) || iat > now + clockSkewSeconds)
    throw invalid('it is from the future, or does not say from when');
  if (iat < now - oldestTokenSeconds - clockSkewSeconds) throw invalid('it is more than a day old');
  if (!isTime(exp) || exp <= now - clockSkewSeconds) throw invalid('it has expired');
  if (nbf !== undefined && (!isTime(nbf) || nbf > now + clockSkewSeconds))
    throw invalid('it is not good yet');
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function invalid(why: string, detail?: string): SallyportError {
  return new SallyportError(
    'grant_invalid',
    `The CI token is not valid: ${why}. Request a new one and try again.`,
    detail === undefined ? {} : { detail },
  );
}

function unavailable(issuer: string, cause: unknown): SallyportError {
  return new SallyportError(
    'unavailable',
    `The keys of ${issuer} can't be fetched right now. Try again in a minute; if it stays so, check the rule's issuer.`,
    { cause, detail: isSallyportError(cause) ? (cause.detail ?? cause.message) : String(cause) },
  );
}
