/**
 * The OAuth authorization server of `sally`: oidc-provider over our tables. It knows people only through the logins that
 * login/ proves, and a grant of it is a login session of ours.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { JSONWebKeySet, JWK } from 'jose';
import Provider from 'oidc-provider';
import type { TokenIssuers } from '../credentials/token-issuers.ts';
import type { DatabaseHandle } from '../database/database.ts';
import type { IdentityProviders } from '../login/identity-providers.ts';
import type { LoginFlow, LoginPurposeHandler } from '../login/login-flow.ts';
import type { UpstreamCheckParts } from '../login/upstream-check.ts';
import type { Sealer } from '../secrets/seal.ts';
import { type Authenticate, createAuthenticate } from './access-token.ts';
import { withOwnDevicePage } from './device-authorization.ts';
import { deviceLogin } from './device-login.ts';
import { registerDeviceRoutes } from './device-routes.ts';
import { withExactPaths } from './exact-paths.ts';
import { helperLogin } from './helper-login.ts';
import { registerInteractionRoutes } from './interaction-routes.ts';
import type { AuthorizationServerKeys } from './keys.ts';
import { withLimitedRequests } from './limit-requests.ts';
import { apiResource, mountPath } from './paths.ts';
import { createProofNonces } from './proof-nonces.ts';
import { cookieNames, providerConfiguration } from './provider-configuration.ts';
import { registerTokenExchange } from './token-exchange.ts';

export interface AuthorizationServerOptions extends AuthorizationServerKeys {
  readonly database: DatabaseHandle;
  /** Everything that is sent or compared is built from this, never from a request. */
  readonly publicUrl: URL;
  readonly providers: IdentityProviders;
  readonly loginFlow: Pick<LoginFlow, 'begin'>;
  /** The flow's handlers: those of `helper` and `device` are put there. */
  readonly loginHandlers: Map<string, LoginPurposeHandler>;
  /** Keys of the CI systems whose tokens are exchanged. */
  readonly tokenIssuers: TokenIssuers;
  readonly sealer: Sealer;
  readonly clock: () => Date;
  /** Errors of our own making; the client hears only "server_error". */
  readonly onServerError: (error: Error) => void;
  /** An identity provider that can't be asked whether it still knows somebody. */
  readonly onProviderOutage?: NonNullable<UpstreamCheckParts['onOutage']>;
}

export interface AuthorizationServer {
  /**
   * Everything under /oauth; reads the body itself. Takes its client's address from the header X-Forwarded-For, which
   * the caller must have set.
   */
  handler(request: IncomingMessage, response: ServerResponse): void;
  /** From an authorization request to the login, and the pages of device logins. Needs @fastify/cookie. */
  registerRoutes(app: FastifyInstance): void;
  /** @throws token_missing, token_invalid, proof_invalid, proof_nonce_required, proof_replayed, session_ended */
  readonly authenticate: Authenticate;
  /** What DPoP-Nonce says at our own API (RFC 9449 section 9). */
  proofNonce(): string;
}

export async function createAuthorizationServer(
  options: AuthorizationServerOptions,
): Promise<AuthorizationServer> {
  const { database, publicUrl, providers, loginFlow: flow, sealer, tokenIssuers, clock } = options;
  const { jwks, cookieKeys } = options;
  const { db } = database;
  const issuer = `${publicUrl.origin}${mountPath}`;
  const nonceKey = sealer.derive('dpop nonces');
  const userCodeKey = sealer.derive('device user codes');
  const nonces = createProofNonces(nonceKey);
  const shared = { database, db, publicUrl, clock, sealer, nonces };
  const keys = { jwks, cookieKeys };
  const { onProviderOutage: onOutage } = options;
  const configuration = providerConfiguration({
    ...shared,
    providers,
    keys,
    nonceKey,
    userCodeKey,
    ...(onOutage && { onOutage }),
  });
  const provider = new Provider(issuer, configuration);
  // Its addresses come from forwarded headers, and those from us: see asIfAt().
  provider.proxy = true;
  provider.use(withExactPaths());
  provider.use(withoutCookie(cookieNames(publicUrl).session));
  provider.use(withLimitedRequests(db, clock));
  provider.use(withOwnDevicePage(publicUrl));
  registerTokenExchange(provider, { ...shared, tokenIssuers });
  provider.on('server_error', (_ctx, error) => options.onServerError(error));
  const helper = helperLogin({ ...shared, provider });
  options.loginHandlers.set('helper', helper);
  options.loginHandlers.set('device', deviceLogin(shared));
  const callback = provider.callback();
  return {
    handler(request, response) {
      asIfAt(publicUrl, request);
      void callback(request, response);
    },
    registerRoutes(app) {
      registerInteractionRoutes(app, { provider, flow, helper });
      registerDeviceRoutes(app, { ...shared, provider, flow, userCodeKey });
    },
    authenticate: createAuthenticate({
      db,
      nonces,
      issuer,
      audience: apiResource(publicUrl),
      jwks: publicKeys(jwks.keys),
      clock,
    }),
    proofNonce: () => nonces.current(clock()),
  };
}

/**
 * Makes the request look as if it had come straight to the public URL, whatever its headers say: oidc-provider builds
 * its addresses, DPoP targets and cookies' `secure` from what it sees.
 */
function asIfAt(publicUrl: URL, request: IncomingMessage & { originalUrl?: string }): void {
  delete request.headers['x-forwarded-host'];
  request.headers.host = publicUrl.host;
  request.headers['x-forwarded-proto'] = publicUrl.protocol.slice(0, -1);
  const url = request.url ?? '/';
  request.originalUrl = url;
  // Mounted: its own paths begin after /oauth.
  if (url.startsWith(`${mountPath}/`)) request.url = url.slice(mountPath.length);
}

/** oidc-provider remembers logins in a cookie. Nothing here ever reads it, so it does not leave. */
function withoutCookie(name: string): Parameters<Provider['use']>[0] {
  return async (ctx, next) => {
    await next();
    const cookies = [ctx.response.headers['set-cookie'] ?? []].flat();
    const kept = cookies.filter((cookie) => !new RegExp(`^${name}(\\.sig)?=`).test(cookie));
    if (kept.length === cookies.length) return;
    ctx.remove('set-cookie');
    if (kept.length > 0) ctx.set('set-cookie', kept);
  };
}

function publicKeys(keys: readonly JWK[]): JSONWebKeySet {
  return {
    keys: keys.map(({ kty, crv, x, y, kid, alg, use }) => {
      const members = { kty, crv, x, y, kid, alg, use };
      return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as JWK;
    }),
  };
}
