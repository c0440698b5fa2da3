/** The one client: `sally` on people's machines (RFC 8252). */
import type { ClientMetadata } from 'oidc-provider';
import { signingAlgorithm } from './keys.ts';

export const clientId = 'sally';

export const deviceCodeGrant = 'urn:ietf:params:oauth:grant-type:device_code';
export const tokenExchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange';

/** Public and native: any port of this very address and path; every token bound to a DPoP key (RFC 9449). */
export const sally: ClientMetadata = {
  client_id: clientId,
  client_name: 'sally',
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  redirect_uris: ['http://127.0.0.1/callback'],
  grant_types: ['authorization_code', 'refresh_token', deviceCodeGrant, tokenExchangeGrant],
  response_types: ['code'],
  id_token_signed_response_alg: signingAlgorithm,
  dpop_bound_access_tokens: true,
};
