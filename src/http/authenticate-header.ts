/** WWW-Authenticate of a 401: what was wrong, in the scheme that the route takes (RFC 6750 3, RFC 9449 7.1, RFC 9470 3). */
import { isSallyportError, type SallyportError } from '../errors/sallyport-error.ts';
import { proofAlgorithms } from '../oauth/verify-proof.ts';
import type { RouteAuthentication } from './route-authentication.ts';

const schemes = { person: 'DPoP', admin: 'DPoP', operator: 'DPoP', companion: 'Bearer' } as const;

/** Undefined where no such header belongs. */
export function authenticateHeader(
  error: unknown,
  auth: RouteAuthentication | undefined,
): string | undefined {
  if (!isSallyportError(error) || error.status !== 401) return undefined;
  const scheme = schemes[auth as keyof typeof schemes];
  if (scheme === undefined) return undefined;
  const parameters = [
    ...errorParameters(error),
    ...(scheme === 'DPoP' ? [['algs', proofAlgorithms.join(' ')] as const] : []),
  ].map(([name, value]) => `${name}="${quotable(value)}"`);
  return parameters.length > 0 ? `${scheme} ${parameters.join(', ')}` : scheme;
}

function errorParameters(error: SallyportError): (readonly [string, string])[] {
  switch (error.code) {
    case 'token_missing':
      // RFC 6750 section 3.1: without credentials, no error.
      return [];
    case 'proof_nonce_required':
      // RFC 9449 section 9.
      return [
        ['error', 'use_dpop_nonce'],
        ['error_description', error.message],
      ];
    case 'proof_invalid':
    case 'proof_replayed':
      return [
        ['error', 'invalid_dpop_proof'],
        ['error_description', error.message],
      ];
    case 'insufficient_user_authentication': {
      const { acr_values, max_age } = error.members;
      return [
        ['error', 'insufficient_user_authentication'],
        ['error_description', error.message],
        ...(typeof acr_values === 'string' ? [['acr_values', acr_values] as const] : []),
        ...(typeof max_age === 'number' ? [['max_age', String(max_age)] as const] : []),
      ];
    }
    default:
      return [
        ['error', 'invalid_token'],
        ['error_description', error.message],
      ];
  }
}

/** RFC 6750 section 3: printable ASCII without quotes and backslashes. */
function quotable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, "'");
}
