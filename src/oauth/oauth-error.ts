/** Our errors as oidc-provider's, where a check of ours runs inside one of its endpoints. */
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { SallyportError } from '../errors/sallyport-error.ts';
import type { ProofNonces } from './proof-nonces.ts';

/** RFC 6749 section 5.2: descriptions are printable ASCII without quotes and backslashes. */
export function describable(message: string): string {
  return message.replace(/["\\]/g, "'").replace(/[^\x20-\x7e]/g, '?');
}

/** Sets DPoP-Nonce where the error asks for one (RFC 9449 section 8). An error that the client can't mend stays as it is. */
export function asOauthError(
  error: SallyportError,
  ctx: KoaContextWithOIDC,
  nonces: ProofNonces,
  now: Date,
): Error {
  const description = describable(error.message);
  switch (error.code) {
    case 'proof_nonce_required':
      ctx.set('DPoP-Nonce', nonces.current(now));
      return new errors.UseDpopNonce(description);
    case 'proof_invalid':
      return new errors.InvalidDpopProof(description);
    case 'proof_replayed':
      return new errors.InvalidRequest(description);
    case 'grant_invalid':
    case 'session_ended':
      return invalidGrant(description);
    case 'forbidden':
    case 'access_denied':
    case 'login_rejected':
      return new errors.AccessDenied(description);
    case 'too_many_attempts': {
      const seconds = error.members['retry_after'];
      if (typeof seconds === 'number') ctx.set('Retry-After', String(seconds));
      return new errors.SlowDown(description);
    }
    default:
      return error.status < 500 ? new errors.InvalidRequest(description) : unavailable(error, description);
  }
}

/** The library says no more than that the grant is not valid; here the person may read why. */
function invalidGrant(description: string): Error {
  return Object.assign(new errors.InvalidGrant(description), { error_description: description });
}

function unavailable(error: SallyportError, description: string): Error {
  if (!['unavailable', 'database_unavailable', 'login_provider_error'].includes(error.code)) return error;
  return Object.assign(new errors.TemporarilyUnavailable(description), { status: 503, statusCode: 503 });
}
