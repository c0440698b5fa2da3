/** The authorization server's own keys: made once per installation, shared by its replicas. */
import { randomBytes } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose';

export interface AuthorizationServerKeys {
  /** Private signing keys; the first of an algorithm signs, all of them verify. */
  readonly jwks: { readonly keys: readonly JWK[] };
  /** Keys of cookie signatures; the first signs, all of them verify. */
  readonly cookieKeys: readonly string[];
}

/** RFC 7518 section 3.4. */
export const signingAlgorithm = 'ES256';

export async function createAuthorizationServerKeys(): Promise<AuthorizationServerKeys> {
  const { privateKey } = await generateKeyPair(signingAlgorithm, { extractable: true });
  const jwk = await exportJWK(privateKey);
  const kid = await calculateJwkThumbprint(jwk);
  return {
    jwks: { keys: [{ ...jwk, alg: signingAlgorithm, use: 'sig', kid }] },
    cookieKeys: [randomBytes(32).toString('base64url')],
  };
}
