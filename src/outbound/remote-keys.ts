/**
 * Checks signatures with the keys that an issuer publishes (RFC 7517). Keys come from the configured address and from
 * nowhere else: what a token's header says of keys (`jwk`, `jku`, `x5u`) is not looked at. A key id that is not there
 * leads to one reading, at most every half minute; while the address is away, the keys are good for an hour.
 */
import {
  type CompactJWSHeaderParameters,
  type CryptoKey,
  compactVerify,
  createLocalJWKSet,
  errors,
  type JSONWebKeySet,
} from 'jose';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { GuardedFetch } from './guarded-fetch.ts';
import { type Kept, keep } from './kept.ts';

export interface RemoteKeys {
  /** Reads them now. @throws login_provider_error */
  load(): Promise<void>;
  /**
   * The token's header and claims, if one of the keys has signed it.
   * @param algorithms asymmetric ones only; anything else is refused
   * @throws token_invalid; login_provider_error if no good keys are to be had
   */
  verify(
    jwt: string,
    algorithms: readonly string[],
  ): Promise<{ readonly header: CompactJWSHeaderParameters; readonly claims: Record<string, unknown> }>;
}

export interface RemoteKeysOptions {
  /** Where they are now. */
  readonly url: () => Promise<string>;
  readonly fetch: GuardedFetch;
  readonly clock: () => Date;
}

/** What may sign a token: nothing that needs a shared secret, and not `none` (RFC 8725 sections 2.1, 3.1). */
export const asymmetricAlgorithms: readonly string[] = [
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

const freshSeconds = 600;
const goodSeconds = 3600;
const keysAtMost = 100;

export function createRemoteKeys({ url, fetch, clock }: RemoteKeysOptions): RemoteKeys {
  let from: { readonly url: string; readonly keys: Kept<JSONWebKeySet> } | undefined;
  const keysNow = async () => {
    const now = await url();
    if (from?.url !== now) {
      const load = () => loadKeys(now, fetch);
      from = { url: now, keys: keep({ load, freshSeconds, goodSeconds, clock }) };
    }
    return from.keys;
  };
  return {
    load: async () => {
      await (await keysNow()).reload();
    },
    verify: async (jwt, algorithms) => {
      const accepted = algorithms.filter((algorithm) => asymmetricAlgorithms.includes(algorithm));
      const keys = await keysNow();
      const set = await keys.get();
      try {
        return await verified(jwt, set, accepted).catch(async (error) => {
          if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
          const renewed = await keys.renewed();
          if (renewed === set) throw error;
          return await verified(jwt, renewed, accepted);
        });
      } catch (error) {
        if (error instanceof SallyportError) throw error;
        throw new SallyportError(
          'token_invalid',
          'The token is not signed by the one it names as its issuer.',
          {
            detail: (error as Error).message,
          },
        );
      }
    },
  };
}

async function verified(jwt: string, set: JSONWebKeySet, algorithms: readonly string[]) {
  const options = { algorithms: [...algorithms] };
  const { payload, protectedHeader } = await compactVerify(jwt, createLocalJWKSet(set), options).catch(
    async (error) => {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      // Without a key id every key that fits is tried.
      for await (const key of error as unknown as AsyncIterable<CryptoKey>) {
        const found = await compactVerify(jwt, key, options).catch(() => undefined);
        if (found) return found;
      }
      throw new errors.JWSSignatureVerificationFailed();
    },
  );
  const claims: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) throw new Error('no claims');
  return { header: protectedHeader, claims: claims as Record<string, unknown> };
}

async function loadKeys(url: string, fetch: GuardedFetch): Promise<JSONWebKeySet> {
  const response = await fetch(url, { headers: { accept: 'application/json, application/jwk-set+json' } });
  const document: unknown = response.ok ? await response.json().catch(() => undefined) : undefined;
  const keys =
    typeof document === 'object' && document !== null && 'keys' in document ? document.keys : undefined;
  if (Array.isArray(keys) && keys.length <= keysAtMost) return { keys };
  const { origin } = new URL(url);
  throw new SallyportError(
    'login_provider_error',
    `The identity provider at ${origin} gave no usable list of its keys. Try again; if it stays so, tell its administrator.`,
    { detail: `status ${response.status}` },
  );
}
