/**
 * What a provider publishes of itself (OpenID Connect Discovery 1.0), read again every hour. While it is away the last
 * good document is used for a day; the keys in it have their own, shorter time.
 */
import * as client from 'openid-client';
import { SallyportError } from '../errors/sallyport-error.ts';
import { type GuardedFetch, requireAcceptableUrl } from '../outbound/guarded-fetch.ts';
import { type Kept, keep } from '../outbound/kept.ts';
import { clockToleranceSeconds } from './login-result.ts';
import { discoveryError } from './provider-error.ts';

export interface DiscoveryParts {
  /** As it is in its tokens. */
  readonly issuer: string;
  readonly clientId: string;
  /** null: a public client. */
  readonly clientSecret: string | null;
  readonly fetch: GuardedFetch;
  readonly allowInsecureLoopback: boolean;
  readonly acceptDemo: boolean;
  readonly clock: () => Date;
}

/** In the discovery document of `sallyport dev`'s identity provider. */
export const demoMark = 'sallyport_demo';

const freshSeconds = 3600;
const goodSeconds = 24 * 3600;

/** Errors are login_provider_error, or settings_invalid for the demo's provider. */
export function createDiscovery(parts: DiscoveryParts): Kept<client.Configuration> {
  const load = () =>
    discover(parts).catch((error) => {
      throw discoveryError(error, new URL(parts.issuer));
    });
  return keep({ load, freshSeconds, goodSeconds, clock: parts.clock });
}

async function discover(parts: DiscoveryParts): Promise<client.Configuration> {
  const { issuer, clientId, clientSecret, fetch, allowInsecureLoopback, acceptDemo } = parts;
  const issuerUrl = new URL(issuer);
  const unfit = (why: string) =>
    new SallyportError(
      'login_provider_error',
      `The identity provider ${issuerUrl.host} can not be used: ${why}. Tell the operator of this server.`,
    );
  const registration = { [client.clockTolerance]: clockToleranceSeconds };
  const config = await client.discovery(issuerUrl, clientId, registration, authenticationBy(clientSecret), {
    [client.customFetch]: fetch as client.CustomFetch,
    // Still https everywhere but on this machine itself: the guarded fetch sees to that.
    execute: allowInsecureLoopback ? [client.allowInsecureRequests] : [],
  });
  const { [demoMark]: isDemo, ...metadata } = config.serverMetadata();
  if (isDemo === true && !acceptDemo) {
    throw new SallyportError(
      'settings_invalid',
      `${issuerUrl.host} is the identity provider of the demo, which proves nothing about anybody. Set up your organization's.`,
    );
  }
  // Letter for letter (OpenID Connect Discovery section 4.3): it is half of every identity.
  if (metadata.issuer !== issuer) {
    throw unfit(`it calls itself ${metadata.issuer}, but is set up here as ${issuer}. Both must be the same`);
  }
  // Browsers are sent to the first, and nothing else looks at it before.
  for (const endpoint of ['authorization_endpoint', 'jwks_uri'] as const) {
    const url = metadata[endpoint] ?? '';
    if (!URL.canParse(url)) throw unfit(`it does not say where its ${endpoint} is`);
    requireAcceptableUrl(new URL(url), allowInsecureLoopback);
  }
  return config;
}

/** By the way the provider supports; HTTP Basic where it does not say (OpenID Connect Discovery section 3). */
function authenticationBy(clientSecret: string | null): client.ClientAuth {
  if (clientSecret === null) return client.None();
  const [basic, post] = [client.ClientSecretBasic(clientSecret), client.ClientSecretPost(clientSecret)];
  return (server, registration, body, headers) => {
    const methods = server.token_endpoint_auth_methods_supported;
    const useBasic = methods === undefined || methods.includes('client_secret_basic');
    (useBasic ? basic : post)(server, registration, body, headers);
  };
}
