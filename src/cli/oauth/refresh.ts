import * as oauth from 'oauth4webapi';
import { SallyportError } from '../../errors/sallyport-error.ts';
import type { DpopKey, Tokens } from '../session-file.ts';
import {
  client,
  clientAt,
  dpopHandle,
  type OauthParts,
  renewableTokensOf,
  requestOptions,
  resourceOf,
  retriedForNonce,
} from './client.ts';
import { speaking } from './errors.ts';

/**
 * New tokens for the refresh token, which is used up by it. A lost reply is asked for again at once: within 30 seconds
 * the server takes the same refresh token from the same key a second time.
 * @throws grant_invalid: the session is over; unavailable: nothing is known
 */
export async function refresh(
  parts: OauthParts,
  from: { tokenEndpoint: string; refreshToken: string; key: DpopKey },
): Promise<Tokens> {
  const as = {
    issuer: `${parts.server.origin}/oauth`,
    token_endpoint: from.tokenEndpoint,
    // Of the ID token that comes along; what the metadata say, which is not fetched again for a refresh.
    id_token_signing_alg_values_supported: ['ES256'],
  };
  const DPoP = await dpopHandle(from.key, parts.nonce);
  const ask = () =>
    retriedForNonce(parts.nonce, async () => {
      const response = await oauth.refreshTokenGrantRequest(as, client, oauth.None(), from.refreshToken, {
        ...requestOptions(parts),
        DPoP,
        additionalParameters: { resource: resourceOf(parts.server) },
      });
      return await oauth.processRefreshTokenResponse(as, clientAt(parts.nonce), response);
    });
  return await speaking(async () => {
    const reply = await ask().catch((error) => {
      if (isLostReply(error)) return ask();
      throw error;
    });
    return renewableTokensOf(reply, parts.nowSeconds, from.refreshToken);
  });
}

function isLostReply(error: unknown): boolean {
  return error instanceof SallyportError && error.code === 'unavailable';
}
