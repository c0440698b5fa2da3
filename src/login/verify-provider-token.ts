/** Signatures of a provider, on ID tokens and on what else it sends: logout tokens, security events. */
import { decodeProtectedHeader, type JWTPayload } from 'jose';
import type { Configuration } from 'openid-client';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { asymmetricAlgorithms, type RemoteKeys } from '../outbound/remote-keys.ts';
import type { ExpectedToken } from './identity-provider.ts';
import { clockToleranceSeconds, rejected } from './login-result.ts';

/** What the provider says it signs with; RS256 where it does not say (OpenID Connect Discovery section 3). */
export function signingAlgorithms(config: Configuration): readonly string[] {
  const { id_token_signing_alg_values_supported: said } = config.serverMetadata();
  return (said ?? ['RS256']).filter((algorithm) => asymmetricAlgorithms.includes(algorithm));
}

/** @throws login_rejected; login_provider_error if the keys can't be had */
export async function requireSigned(keys: RemoteKeys, idToken: string, config: Configuration): Promise<void> {
  await keys.verify(idToken, signingAlgorithms(config)).catch((error) => {
    if (!isSallyportError(error) || error.code !== 'token_invalid') throw error;
    throw rejected(
      'The reply of the identity provider is not signed by it, so nobody is logged in. Start again; if it stays so, ' +
        'tell the operator of this server.',
      error.detail,
    );
  });
}

interface Expected extends ExpectedToken {
  readonly issuer: string;
  readonly audience: string;
  readonly algorithms: readonly string[];
  /** Unix seconds. */
  readonly now: number;
}

/** @throws token_invalid; login_provider_error if the keys can't be had */
export async function verifyProviderToken(
  keys: RemoteKeys,
  jwt: string,
  { typ, issuer, audience, algorithms, now, maxAgeSeconds }: Expected,
): Promise<JWTPayload> {
  // Before any key is asked for: what is for somebody else costs the provider no request.
  if (typ !== undefined && !typ.includes(typOf(jwt))) throw invalid('typ');
  const { claims } = await keys.verify(jwt, algorithms);
  const { iss, aud, iat, exp, nbf } = claims;
  if (iss !== issuer) throw invalid('iss');
  const audiences = Array.isArray(aud) ? aud : [aud];
  if (!audiences.includes(audience)) throw invalid('aud');
  if (
    !isTime(iat) ||
    iat > now + clockToleranceSeconds ||
    iat < now - maxAgeSeconds - clockToleranceSeconds
  ) {
    throw invalid('iat');
  }
  if (exp !== undefined && (!isTime(exp) || exp <= now - clockToleranceSeconds)) throw invalid('exp');
  if (nbf !== undefined && (!isTime(nbf) || nbf > now + clockToleranceSeconds)) throw invalid('nbf');
  return claims as JWTPayload;
}

/** In the short form (RFC 7515 section 4.1.9); empty if there is none. */
function typOf(jwt: string): string {
  try {
    const { typ = '' } = decodeProtectedHeader(jwt);
    return typ.toLowerCase().replace(/^application\//, '');
  } catch {
    throw invalid('no JWT');
  }
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function invalid(what: string): SallyportError {
  return new SallyportError('token_invalid', 'The token of the identity provider is not acceptable.', {
    detail: what,
  });
}
