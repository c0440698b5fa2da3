/** A DPoP proof (RFC 9449 section 4.3), checked outside of oidc-provider: at our own API and where it has no check. */
import { createHash } from 'node:crypto';
import { calculateJwkThumbprint, decodeJwt, EmbeddedJWK, type JWTPayload, jwtVerify } from 'jose';
import type { Database } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { ProofNonces } from './proof-nonces.ts';
import { useProofOnce } from './proof-store.ts';

/** Algorithms of DPoP proofs, at the token endpoint as here. */
export const proofAlgorithms = ['ES256', 'EdDSA', 'Ed25519'] as const;

/** Oldest and youngest proof, in seconds from now. */
const proofWindowSeconds = 300;

/** The request that a proof must be for. `url` is our public URL and the path, never what the request calls us. */
export interface ProvenRequest {
  readonly dpop: string | undefined;
  readonly method: string;
  readonly url: string;
}

export interface Proof {
  /** Thumbprint of the key (RFC 7638). */
  readonly jkt: string;
  readonly jti: string;
}

export interface ProofParts {
  readonly db: Database;
  readonly nonces: ProofNonces;
}

/**
 * Everything but whether it was used before, which useProof() says once all else is known to be right.
 * @param accessToken the token that it must be for; absent: for none
 * @throws proof_invalid, proof_nonce_required
 */
export async function verifyProof(
  { nonces }: Pick<ProofParts, 'nonces'>,
  { dpop, method, url }: ProvenRequest,
  now: Date,
  accessToken?: string,
): Promise<Proof> {
  if (dpop === undefined || dpop === '') throw proofInvalid('the DPoP header is missing');
  const { payload, protectedHeader } = await jwtVerify(dpop, EmbeddedJWK, {
    typ: 'dpop+jwt',
    algorithms: [...proofAlgorithms],
    requiredClaims: ['iat', 'jti', 'htm', 'htu', ...(accessToken === undefined ? [] : ['ath'])],
    currentDate: now,
  }).catch((error: unknown) => {
    throw proofInvalid('it is not a signed proof', error);
  });
  if (protectedHeader.jwk === undefined) throw proofInvalid('it holds no key');
  if (!isRecent(payload, now)) {
    throw proofInvalid('it is too old or from the future; check the clock of this machine');
  }
  if (payload['htm'] !== method) throw proofInvalid(`it is not for the method ${method}`);
  // A request target that is no URL has no proof: two that can't be read are not the same.
  const wanted = target(url);
  if (wanted === undefined || target(payload['htu']) !== wanted) throw proofInvalid(`it is not for ${url}`);
  if (accessToken !== undefined && payload['ath'] !== digest(accessToken)) {
    throw proofInvalid('it is not for this access token');
  }
  const jti = jtiOf(payload);
  const nonce = payload['nonce'];
  if (nonce === undefined || (typeof nonce === 'string' && !nonces.accepts(nonce, now))) {
    throw new SallyportError(
      'proof_nonce_required',
      'The DPoP proof needs the nonce of the DPoP-Nonce header. Make a new proof with it and try again.',
    );
  }
  if (typeof nonce !== 'string') throw proofInvalid('its nonce is no text');
  return { jkt: await calculateJwkThumbprint(protectedHeader.jwk), jti };
}

/** Notes the proof as used (RFC 9449 section 11.1). @throws proof_replayed */
export async function useProof(db: Database, { jkt, jti }: Proof, now: Date): Promise<void> {
  const until = new Date(now.getTime() + 2 * proofWindowSeconds * 1000);
  if (await useProofOnce(db, { scope: jkt, jti }, until)) return;
  throw new SallyportError('proof_replayed', 'The DPoP proof was used before. Every request needs its own.');
}

/** By what it says of itself: for whoever verifies the proof by other means. */
export function isRecentProof(dpop: string, now: Date): boolean {
  try {
    return isRecent(decodeJwt(dpop), now);
  } catch {
    return false;
  }
}

function isRecent({ iat }: JWTPayload, now: Date): boolean {
  return typeof iat === 'number' && Math.abs(Math.floor(now.getTime() / 1000) - iat) <= proofWindowSeconds;
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

function digest(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}

/** jose's messages name claims and headers, never their values. */
export function proofInvalid(why: string, cause?: unknown): SallyportError {
  return new SallyportError(
    'proof_invalid',
    `The DPoP proof is not valid: ${why}.`,
    cause instanceof Error ? { detail: cause.message } : {},
  );
}
