/**
 * Access tokens at our own API: JWTs (RFC 9068) bound to a DPoP key (RFC 9449). The token only names a session; whether
 * that lives is read from the database for every request, so an ended session is out at once.
 */
import { createHash } from 'node:crypto';
import { createLocalJWKSet, errors, type JSONWebKeySet, jwtVerify } from 'jose';
import { SallyportError } from '../errors/sallyport-error.ts';
import { liveGrantOf } from '../sessions/find-session.ts';
import { sessionEnded } from '../sessions/session.ts';
import { clientId } from './client.ts';
import { signingAlgorithm } from './keys.ts';
import { type ProofParts, type ProvenRequest, proofInvalid, useProof, verifyProof } from './verify-proof.ts';

/** What a request presents. */
export interface PresentedToken extends ProvenRequest {
  readonly authorization: string | undefined;
}

export interface AuthenticatedSession {
  readonly sessionId: string;
  readonly accountId: string;
}

export interface AccessTokenParts extends ProofParts {
  readonly issuer: string;
  readonly audience: string;
  /** Public keys. */
  readonly jwks: JSONWebKeySet;
  readonly clock: () => Date;
}

export type Authenticate = (presented: PresentedToken) => Promise<AuthenticatedSession>;

/** @throws token_missing, token_invalid, proof_invalid, proof_nonce_required, proof_replayed, session_ended */
export function createAuthenticate(parts: AccessTokenParts): Authenticate {
  const keys = createLocalJWKSet(parts.jwks);
  return async (presented) => {
    const now = parts.clock();
    const token = tokenOf(presented.authorization);
    const { sid, sub, cnf, grant } = await verifyToken(token, keys, parts, now);
    const proof = await verifyProof(parts, presented, now, token);
    if (proof.jkt !== cnf.jkt) throw proofInvalid('it is made with another key than the token is bound to');
    await useProof(parts.db, proof, now);
    const grantId = await liveGrantOf(parts.db, sid, now);
    if (grantId === undefined) throw sessionEnded();
    if (grant !== undefined && (grantId === null || grant !== grantClaim(grantId))) {
      throw tokenInvalid('it is of a login before the last one of its session');
    }
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
  /** Of the grant that it was issued under; a machine's session has none. */
  readonly grant: string | undefined;
}

/**
 * Names a grant in its tokens. A step-up gives the session another grant, and whoever holds a token from before must not
 * come by the new second factor with it.
 */
export function grantClaim(grantId: string): string {
  return createHash('sha256').update(grantId).digest('base64url');
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
  const { sid, sub, cnf, client_id, grant } = payload;
  const jkt = (cnf as { jkt?: unknown } | null)?.jkt;
  if (
    typeof sid !== 'string' ||
    typeof sub !== 'string' ||
    typeof jkt !== 'string' ||
    client_id !== clientId ||
    (grant !== undefined && typeof grant !== 'string')
  ) {
    throw tokenInvalid('it is not a token of a login');
  }
  return { sid, sub, cnf: { jkt }, grant };
}

/** jose's messages name claims and headers, never their values. */
function tokenInvalid(why: string, cause?: unknown): SallyportError {
  return new SallyportError(
    'token_invalid',
    `The access token is not valid: ${why}. Run: sally login`,
    cause instanceof Error ? { detail: cause.message } : {},
  );
}
