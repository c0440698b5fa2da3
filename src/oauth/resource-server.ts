/** Our own API as the one resource that access tokens are for (RFC 8707, RFC 9068). */
import type { ResourceServer } from 'oidc-provider';
import { signingAlgorithm } from './keys.ts';

/** Short: an ended session is out at once all the same, since the API asks the database. */
export const accessTokenSeconds = 300;

export const apiResourceServer: ResourceServer = {
  scope: '',
  accessTokenTTL: accessTokenSeconds,
  accessTokenFormat: 'jwt',
  jwt: { sign: { alg: signingAlgorithm } },
};
