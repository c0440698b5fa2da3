/**
 * Tokens of the issuers that rules name, and those issuers' keys: discovered, kept for ten minutes, fetched again when a
 * token names a key that is not among them, though not more often than once in half a minute. While an issuer is away,
 * what it said last counts for an hour.
 */
import {
  createLocalJWKSet,
  decodeProtectedHeader,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  jwtVerify,
} from 'jose';
import { z } from 'zod';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import type { GuardedFetch } from '../outbound/guarded-fetch.ts';

export interface TokenIssuers {
  /**
   * Signature, issuer and times (RFC 7519, RFC 8725). Whom the token is for, the caller compares.
   * @throws grant_invalid saying what is wrong; unavailable if the issuer's keys can't be had
   */
  verify(jwt: string, issuer: string, now: Date): Promise<JWTPayload>;
}

/** Asymmetric ones only: with the others, whoever knows a public key could sign. */
const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

const clockSkewSeconds = 60;
/** Kubernetes gives tokens for up to a day. */
export const oldestTokenSeconds = 86_400;
const freshMilliseconds = 600_000;
const staleMilliseconds = 3_600_000;
const refetchMilliseconds = 30_000;

const discovery = z.object({ issuer: z.string(), jwks_uri: z.url() });
const keySet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(100) });

interface Known {
  readonly keys: ReturnType<typeof createLocalJWKSet>;
  readonly fetchedAt: Date;
}

export function createTokenIssuers(fetch: GuardedFetch): TokenIssuers {
  const known = new Map<string, Known>();
  const tried = new Map<string, Date>();
  const underWay = new Map<string, Promise<Known>>();

  async function refresh(issuer: string, now: Date): Promise<Known> {
    const running = underWay.get(issuer);
    if (running) return await running;
    tried.set(issuer, now);
    const fetching = fetchKeys(fetch, issuer)
      .then((keys) => {
        const found = { keys, fetchedAt: now };
        known.set(issuer, found);
        return found;
      })
      .finally(() => underWay.delete(issuer));
    underWay.set(issuer, fetching);
    return await fetching;
  }

  async function keysOf(issuer: string, now: Date): Promise<Known> {
    const found = known.get(issuer);
    const age = found === undefined ? Number.POSITIVE_INFINITY : now.getTime() - found.fetchedAt.getTime();
    if (found !== undefined && age < freshMilliseconds) return found;
    try {
      // Anybody can send a token that names the issuer; it is not asked for each of them while it is away.
      if (!underWay.has(issuer) && !mayAsk(issuer, now)) throw new TypeError('it was asked a moment ago');
      return await refresh(issuer, now);
    } catch (error) {
      if (found !== undefined && age < staleMilliseconds) return found;
      throw unreachable(issuer, error);
    }
  }

  function mayAsk(issuer: string, now: Date): boolean {
    const last = tried.get(issuer);
    return last === undefined || now.getTime() - last.getTime() >= refetchMilliseconds;
  }

  return {
    verify: async (jwt, issuer, now) => {
      checkHeader(jwt);
      const first = await keysOf(issuer, now);
      try {
        return await verifyWith(first, jwt, issuer, now);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey) || !mayAsk(issuer, now)) throw refused(error);
      }
      const again = await refresh(issuer, now).catch((error: unknown) => {
        throw unreachable(issuer, error);
      });
      return await verifyWith(again, jwt, issuer, now).catch((error: unknown) => {
        throw refused(error);
      });
    },
  };
}

/** Other kinds of JWT than identity tokens say so (RFC 8725 section 3.11). */
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

async function verifyWith({ keys }: Known, jwt: string, issuer: string, now: Date): Promise<JWTPayload> {
  const { payload } = await jwtVerify(jwt, keys, {
    issuer,
    algorithms,
    requiredClaims: ['aud', 'exp', 'iat', 'sub'],
    clockTolerance: clockSkewSeconds,
    maxTokenAge: oldestTokenSeconds,
    currentDate: now,
  });
  return payload;
}

async function fetchKeys(fetch: GuardedFetch, issuer: string): Promise<Known['keys']> {
  // OpenID Connect Discovery 1.0 section 4: without the slash that the issuer may end with.
  const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const document = discovery.parse(await fetchJson(fetch, address));
  if (document.issuer !== issuer) throw new TypeError(`${address} speaks for another issuer`);
  const keys = keySet.parse(await fetchJson(fetch, document.jwks_uri));
  return createLocalJWKSet(keys as JSONWebKeySet);
}

async function fetchJson(fetch: GuardedFetch, address: string): Promise<unknown> {
  const response = await fetch(address, { headers: { accept: 'application/json' } });
  if (response.status !== 200) throw new TypeError(`${address} answered ${response.status}`);
  return await response.json();
}

/** jose's messages name claims and headers, never their values. */
function refused(error: unknown): SallyportError {
  if (isSallyportError(error)) return error;
  if (error instanceof errors.JWTExpired) return invalid('it has expired', error);
  if (error instanceof errors.JWTClaimValidationFailed)
    return invalid(`its claim ${error.claim} is not good`, error);
  return invalid('it is not signed by its issuer', error);
}

function invalid(why: string, cause?: unknown): SallyportError {
  return new SallyportError(
    'grant_invalid',
    `The CI token is not valid: ${why}. Request a new one and try again.`,
    {
      ...(cause instanceof Error ? { detail: cause.message } : {}),
    },
  );
}

function unreachable(issuer: string, cause: unknown): SallyportError {
  return new SallyportError(
    'unavailable',
    `The keys of ${issuer} can't be fetched right now. Try again in a minute.`,
    {
      cause,
      detail: isSallyportError(cause) ? (cause.detail ?? cause.message) : String(cause),
    },
  );
}
