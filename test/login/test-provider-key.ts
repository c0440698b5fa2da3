/** The signing key of a test provider, which it may replace. */
import { randomBytes } from 'node:crypto';
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import type { SigningAlg } from './test-provider-behaviour.ts';

export interface SigningKey {
  /** Of the first key: what oidc-provider is started with. */
  readonly privateJwk: JWK;
  /** What is published now. */
  publicJwk(): JWK;
  sign(claims: JWTPayload, header?: Record<string, unknown>): Promise<string>;
  rotate(): Promise<void>;
}

export async function createSigningKey(alg: SigningAlg): Promise<SigningKey> {
  let key = await newKey(alg);
  const { privateJwk } = key;
  return {
    privateJwk,
    publicJwk: () => key.publicJwk,
    sign: async (claims, header = {}) =>
      await new SignJWT(claims).setProtectedHeader({ alg, kid: key.kid, ...header }).sign(key.privateKey),
    rotate: async () => {
      key = await newKey(alg);
    },
  };
}

async function newKey(alg: SigningAlg) {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const kid = randomBytes(8).toString('hex');
  const more = { kid, alg, use: 'sig' };
  return {
    privateKey,
    kid,
    privateJwk: { ...(await exportJWK(privateKey)), ...more },
    publicJwk: { ...(await exportJWK(publicKey)), ...more },
  };
}
