/**
 * Access tokens at our own API: JWTs (RFC 9068) bound to a DPoP key (RFC 9449). The token only names a session; whether
 * that lives is read from the database for every request, so an ended session is out at once.
 */
import { createHash } from 'node:crypto';
import {
  calculateJwkThumbprint,
  createLocalJWKSet,
  EmbeddedJWK,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  jwtVerify,
} from 'jose';
import type { Database } from '../database/database.ts';
import type { ErrorCode, errorTable } from '../errors/codes.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { endedAmong } from '../sessions/ended-sessions.ts';
import { sessionEnded } from '../sessions/session.ts';
import { clientId } from './client.ts';
import { signingAlgorithm } from './keys.ts';
import { useProofOnce } from './proof-store.ts';

/** What a request presents. `url` is our public URL and the path, never what the request calls us. */
export interface PresentedToken {
  readonly authorization: string | undefined;
  readonly dpop: string | undefined;
  readonly method: string;
  readonly url: string;
}

export interface AuthenticatedSession {
  readonly sessionId: string;
  readonly accountId: string;
}

export interface AccessTokenParts {
  readonly db: Database;
  readonly issuer: string;
  readonly audience: string;
  /** Public keys. */
  readonly jwks: JSONWebKeySet;
  readonly clock: () => Date;
}

/** Algorithms of DPoP proofs, at the token endpoint as here. */
export const proofAlgorithms = ['ES256', 'EdDSA', 'Ed25519'] as const;

/** Oldest and youngest proof, in seconds from now. */
const proofWindowSeconds = 300;

export type Authenticate = (presented: PresentedToken) => Promise<AuthenticatedSession>;

/** @throws token_missing, token_invalid, proof_invalid, proof_replayed, session_ended */
export function createAuthenticate(parts: AccessTokenParts): Authenticate {
  const keys = createLocalJWKSet(parts.jwks);
  return async (presented) => {
    const now = parts.clock();
    const token = tokenOf(presented.authorization);
    const { sid, sub, cnf } = await verifyToken(token, keys, parts, now);
    const jti = await verifyProof(presented, token, cnf.jkt, now);
    const until = new Date(now.getTime() + 2 * proofWindowSeconds * 1000);
    if (!(await useProofOnce(parts.db, { scope: cnf.jkt, jti }, until))) {
      throw new SallyportError(
        'proof_replayed',
        'The DPoP proof was used before. Every request needs its own.',
      );
    }
    if ((await endedAmong(parts.db, [sid], now)).length > 0) throw sessionEnded();
    return { sessionId: sid, accountId: sub };
  };
}

function tokenOf(authorization: string | undefined): string {
  if (authorization === undefined || authorization === '') {
    throw new SallyportError('token_missing', 'This needs a login. Run: sally login');
  }
  const token = /^DPoP ([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)$/i.exec(authorization)?.[1];
  if (token !== undefined) return token;
  throw tokenInvalid('expected "DPoP" and an access token in the Authorization header');
}

interface TokenClaims {
  readonly sid: string;
  readonly sub: string;
  readonly cnf: { readonly jkt: string };
}

async function verifyToken(
  token: string,
  keys: ReturnType<typeof createLocalJWKSet>,
  { issuer, audience }: AccessTokenParts,
  now: Date,
): Promise<TokenClaims> {
  const { payload } = await jwtVerify(token, keys, {
    issuer,
    audience,
    typ: 'at+jwt',
    algorithms: [signingAlgorithm],
    requiredClaims: ['exp', 'iat', 'sub', 'sid', 'cnf', 'client_id'],
    currentDate: now,
  }).catch((error: unknown) => {
    throw error instanceof errors.JWTExpired
      ? tokenInvalid('it has expired', error)
      : tokenInvalid('it is not one of ours', error);
  });
  const { sid, sub, cnf, client_id } = payload;
  const jkt = (cnf as { jkt?: unknown } | null)?.jkt;
  if (
    typeof sid !== 'string' ||
    typeof sub !== 'string' ||
    typeof jkt !== 'string' ||
    client_id !== clientId
  ) {
    throw tokenInvalid('it is not a token of a login');
  }
  return { sid, sub, cnf: { jkt } };
}

/** RFC 9449 section 4.3. Returns the proof's identifier. */
async function verifyProof(
  { dpop, method, url }: PresentedToken,
  token: string,
  thumbprint: string,
  now: Date,
): Promise<string> {
  if (dpop === undefined || dpop === '') throw proofInvalid('the DPoP header is missing');
  const { payload, protectedHeader } = await jwtVerify(dpop, EmbeddedJWK, {
    typ: 'dpop+jwt',
    algorithms: [...proofAlgorithms],
    requiredClaims: ['iat', 'jti', 'htm', 'htu', 'ath'],
    currentDate: now,
  }).catch((error: unknown) => {
    throw proofInvalid('it is not a signed proof', error);
  });
  if (protectedHeader.jwk === undefined) throw proofInvalid('it holds no key');
  if ((await calculateJwkThumbprint(protectedHeader.jwk)) !== thumbprint) {
    throw proofInvalid('it is made with another key than the token is bound to');
  }
  const age = Math.floor(now.getTime() / 1000) - Number(payload.iat);
  if (!(Math.abs(age) <= proofWindowSeconds)) {
    throw proofInvalid('it is too old or from the future; check the clock of this machine');
  }
  if (payload['htm'] !== method) throw proofInvalid(`it is not for the method ${method}`);
  // A request target that is no URL has no proof: two that can't be read are not the same.
  const wanted = target(url);
  if (wanted === undefined || target(payload['htu']) !== wanted) throw proofInvalid(`it is not for ${url}`);
  if (payload['ath'] !== createHash('sha256').update(token).digest('base64url')) {
    throw proofInvalid('it is not for this access token');
  }
  return jtiOf(payload);
}

function jtiOf({ jti }: JWTPayload): string {
  if (typeof jti === 'string' && jti !== '' && jti.length <= 256) return jti;
  throw proofInvalid('its jti is empty or too long');
}

/** Without query and fragment (RFC 9449 section 4.3, item 9). */
function target(htu: unknown): string | undefined {
  if (typeof htu !== 'string' || !URL.canParse(htu)) return undefined;
  const url = new URL(htu);
  return `${url.origin}${url.pathname}`;
}

function tokenInvalid(why: string, cause?: unknown): SallyportError {
  return unacceptable('token_invalid', `The access token is not valid: ${why}. Run: sally login`, cause);
}

function proofInvalid(why: string, cause?: unknown): SallyportError {
  return unacceptable('proof_invalid', `The DPoP proof is not valid: ${why}.`, cause);
}

/** jose's messages name claims and headers, never their values. */
function unacceptable(
  code: ErrorCode & keyof typeof errorTable,
  message: string,
  cause: unknown,
): SallyportError {
  return new SallyportError(code, message, cause instanceof Error ? { detail: cause.message } : {});
}
