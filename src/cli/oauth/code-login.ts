/**
 * The login with a browser: authorization code with PKCE (RFC 7636). What is asked goes to the server directly (RFC 9126),
 * with a proof of the key that binds the code to it (RFC 9449 section 10); the browser's address holds nothing but a handle.
 */
import * as oauth from 'oauth4webapi';
import { isSallyportError, SallyportError } from '../../errors/sallyport-error.ts';
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
import { type LoginRequest, requestParameters } from './login-request.ts';

const scope = 'openid offline_access';

export interface LoginAttempt {
  readonly as: oauth.AuthorizationServer;
  readonly key: DpopKey;
  readonly redirectUri: string;
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  /** Where the person's browser goes, within the minute for which a server keeps what was pushed. */
  readonly url: URL;
  /** The same request once more, for a browser that comes later. */
  readonly push: () => Promise<URL>;
}

/** @throws login_rejected, unavailable, login_provider_error */
export async function startAttempt(
  parts: OauthParts,
  about: {
    as: oauth.AuthorizationServer;
    key: DpopKey;
    redirectUri: string;
    request: LoginRequest;
    onSecret: (secret: string) => void;
  },
): Promise<LoginAttempt> {
  const { as, key, redirectUri, request, onSecret } = about;
  const state = oauth.generateRandomState();
  const nonce = oauth.generateRandomNonce();
  const verifier = oauth.generateRandomCodeVerifier();
  for (const secret of [state, nonce, verifier]) onSecret(secret);
  const parameters = {
    response_type: 'code',
    redirect_uri: redirectUri,
    scope,
    // OpenID Connect Core sections 3.1.2.1 and 11: a login means a person logging in; offline access wants consent.
    prompt: 'login consent',
    resource: resourceOf(parts.server),
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...requestParameters(request),
  };
  const push = async () => await pushed(parts, { as, key, parameters });
  return { as, key, redirectUri, state, nonce, verifier, url: await push(), push };
}

async function pushed(
  parts: OauthParts,
  about: { as: oauth.AuthorizationServer; key: DpopKey; parameters: Record<string, string> },
): Promise<URL> {
  const { as, key, parameters } = about;
  const DPoP = await dpopHandle(key, parts.nonce);
  const reply = await speaking(() =>
    retriedForNonce(parts.nonce, async () => {
      const options = { ...requestOptions(parts), DPoP };
      const response = await oauth.pushedAuthorizationRequest(as, client, oauth.None(), parameters, options);
      return await oauth.processPushedAuthorizationResponse(as, client, response);
    }),
  );
  const url = new URL(as.authorization_endpoint ?? '');
  // RFC 9126 section 4: these two and nothing else.
  url.search = new URLSearchParams({
    client_id: client.client_id,
    request_uri: reply.request_uri,
  }).toString();
  return url;
}

/** Tokens for the callback's code; checks state, iss (RFC 9207) and nonce. @throws login_rejected, unavailable, ... */
export async function finishAttempt(
  parts: OauthParts,
  attempt: LoginAttempt,
  callback: URL,
): Promise<Tokens> {
  const { as, key, state, nonce, redirectUri, verifier } = attempt;
  const tokens = speaking(async () => {
    const parameters = oauth.validateAuthResponse(as, client, callback, state);
    const DPoP = await dpopHandle(key, parts.nonce);
    const reply = await retriedForNonce(parts.nonce, async () => {
      const response = await oauth.authorizationCodeGrantRequest(
        as,
        client,
        oauth.None(),
        parameters,
        redirectUri,
        verifier,
        { ...requestOptions(parts), DPoP, additionalParameters: { resource: resourceOf(parts.server) } },
      );
      return await oauth.processAuthorizationCodeResponse(as, clientAt(parts.nonce), response, {
        expectedNonce: nonce,
        requireIdToken: true,
      });
    });
    return renewableTokensOf(reply, parts.nowSeconds);
  });
  return await tokens.catch((error) => {
    throw isSallyportError(error) && error.code === 'grant_invalid' ? tooLate(error) : error;
  });
}

/** A code is good for a minute, and once. */
function tooLate(cause: SallyportError): SallyportError {
  return new SallyportError(
    'login_rejected',
    'The answer of the login came too late, or was used before. Run: sally login',
    { cause },
  );
}
