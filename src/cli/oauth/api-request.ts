import * as oauth from 'oauth4webapi';
import type { DpopKey } from '../session-file.ts';
import { dpopHandle, type OauthParts, requestOptions, retriedForNonce } from './client.ts';

/** A request with the access token and a proof of the key. The reply may be a refusal: the caller reads it. */
export async function requestWithToken(
  parts: Pick<OauthParts, 'server' | 'fetch' | 'nonce'>,
  request: { method: string; url: URL; body: string | null; accessToken: string; key: DpopKey },
): Promise<Response> {
  const { method, url, body, accessToken, key } = request;
  const headers = new Headers({ accept: 'application/json' });
  if (body !== null) headers.set('content-type', 'application/json');
  const DPoP = await dpopHandle(key, parts.nonce);
  const send = async () =>
    await oauth.protectedResourceRequest(accessToken, method, url, headers, body, {
      ...requestOptions(parts),
      DPoP,
    });
  try {
    return await retriedForNonce(parts.nonce, send);
  } catch (error) {
    if (error instanceof oauth.WWWAuthenticateChallengeError) return error.response;
    throw error;
  }
}
