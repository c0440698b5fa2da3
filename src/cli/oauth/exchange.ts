import * as oauth from 'oauth4webapi';
import type { DpopKey, Tokens } from '../session-file.ts';
import {
  client,
  dpopHandle,
  type OauthParts,
  requestOptions,
  resourceOf,
  retriedForNonce,
  tokensOf,
} from './client.ts';
import { speaking } from './errors.ts';

const grantType = 'urn:ietf:params:oauth:grant-type:token-exchange';

/** RFC 8693 section 3, and one of ours. */
export const subjectTokenTypes = {
  apiToken: 'urn:sallyport:token-type:api-token',
  jwt: 'urn:ietf:params:oauth:token-type:jwt',
} as const;

/**
 * An access token, bound to the key, for a credential that came with the environment (RFC 8693). It cannot be renewed: who
 * needs another shows the credential again.
 * @throws grant_invalid: the credential is not taken; unavailable, ...
 */
export async function exchange(
  parts: OauthParts,
  from: {
    subjectToken: string;
    subjectTokenType: string;
    /** ORGANIZATION or ORGANIZATION/RULE, where several rules of the server could be meant. */
    audience: string | undefined;
    deviceName: string | undefined;
    key: DpopKey;
  },
): Promise<Tokens> {
  const { server } = parts;
  const as = { issuer: `${server.origin}/oauth`, token_endpoint: `${server.origin}/oauth/token` };
  const DPoP = await dpopHandle(from.key, parts.nonce);
  return await speaking(async () => {
    const reply = await retriedForNonce(parts.nonce, async () => {
      const response = await oauth.genericTokenEndpointRequest(
        as,
        client,
        oauth.None(),
        grantType,
        {
          subject_token: from.subjectToken,
          subject_token_type: from.subjectTokenType,
          resource: resourceOf(server),
          ...(from.deviceName && { device_name: from.deviceName }),
          ...(from.audience !== undefined && { audience: from.audience }),
        },
        { ...requestOptions(parts), DPoP },
      );
      return await oauth.processGenericTokenEndpointResponse(as, client, response);
    });
    return tokensOf(reply, parts.nowSeconds, null);
  });
}
