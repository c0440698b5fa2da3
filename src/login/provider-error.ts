/** What went wrong at an identity provider, in our words. Its own text is shown as a quotation, cleaned and cut. */
import * as client from 'openid-client';
import { SallyportError } from '../errors/sallyport-error.ts';
import { rejected } from './login-result.ts';

/** Errors of an authorization response (RFC 6749 4.1.2.1) that are the provider's trouble, not a refusal. */
const outages: readonly string[] = ['server_error', 'temporarily_unavailable', 'invalid_client'];

/** A SallyportError for anything that openid-client throws. Tokens and codes never get into it. */
export function providerError(error: unknown, issuer: URL): SallyportError {
  const own = sallyportErrorWithin(error);
  if (own) return own;
  if (error instanceof client.AuthorizationResponseError || error instanceof client.ResponseBodyError) {
    const said = quoted(error.error, error.error_description);
    if (outages.includes(error.error)) return trouble(said, issuer);
    return rejected(`The identity provider ${issuer.host} refused the login: ${said}. Start again.`);
  }
  if (error instanceof client.ClientError && refusals.has(error.code ?? '')) {
    return rejected(
      `The reply of the identity provider ${issuer.host} is not acceptable, so nobody is logged in. Start again; ` +
        'if it stays so, tell the operator of this server.',
      `${error.code}: ${reasonOf(error)}`,
    );
  }
  return unusable(error, issuer);
}

/**
 * The same for a refresh token: only `invalid_grant` says that the person is no longer welcome (RFC 6749 section 5.2).
 * An answer that can't be used is nobody's refusal.
 */
export function refreshError(error: unknown, issuer: URL): SallyportError {
  const own = sallyportErrorWithin(error);
  if (own?.code === 'login_provider_error') return own;
  if (!(error instanceof client.ResponseBodyError)) return unusable(error, issuer);
  const said = quoted(error.error, error.error_description);
  if (error.error !== 'invalid_grant') return trouble(said, issuer);
  return new SallyportError(
    'grant_invalid',
    `The identity provider ${issuer.host} no longer knows this login: ${said}. Log in again.`,
  );
}

/** The same for the discovery document: before a login there is nobody to refuse. */
export function discoveryError(error: unknown, issuer: URL): SallyportError {
  return sallyportErrorWithin(error) ?? unusable(error, issuer);
}

function trouble(said: string, issuer: URL): SallyportError {
  return new SallyportError(
    'login_provider_error',
    `The identity provider ${issuer.host} has a problem: ${said}. Try again, or tell its administrator.`,
  );
}

function unusable(error: unknown, issuer: URL): SallyportError {
  return new SallyportError(
    'login_provider_error',
    `The identity provider ${issuer.host} gave an answer that can not be used. Tell the operator of this server.`,
    { detail: reasonOf(error) },
  );
}

/** Checks of the authorization response, the ID token and the userinfo reply, as oauth4webapi names them. */
const refusals = new Set([
  'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED',
  'OAUTH_INVALID_RESPONSE',
  'OAUTH_JWT_CLAIM_COMPARISON_FAILED',
  'OAUTH_JWT_TIMESTAMP_CHECK_FAILED',
  'OAUTH_KEY_SELECTION_FAILED',
  'OAUTH_UNSUPPORTED_OPERATION',
]);

function sallyportErrorWithin(error: unknown): SallyportError | undefined {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof SallyportError) return at;
  return undefined;
}

/** Messages only: causes of openid-client's errors hold whole tokens. */
function reasonOf(error: unknown): string {
  const messages: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) messages.push(at.message);
  return messages.join(': ');
}

function quoted(code: string, description: string | undefined): string {
  const clean = (text: string) => text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
  return description === undefined ? clean(code) : `${clean(code)} ("${clean(description)}")`;
}
