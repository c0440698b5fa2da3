/**
 * The OAuth authorization server of `sally`: oidc-provider over our tables. It knows people only through the identity
 * provider that login/ talks to, and a session of it is a login session of ours.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { JSONWebKeySet, JWK } from 'jose';
import Provider from 'oidc-provider';
import type { DatabaseHandle } from '../database/database.ts';
import type { IdentityProvider } from '../login/identity-provider.ts';
import { type Authenticate, createAuthenticate } from './access-token.ts';
import type { AuthorizationServerKeys } from './keys.ts';
import { type BrowserLogin, registerLoginRoutes } from './login-routes.ts';
import { apiResource, cookieNames, mountPath, providerConfiguration } from './provider-configuration.ts';

export interface AuthorizationServerOptions extends AuthorizationServerKeys {
  readonly database: Pick<DatabaseHandle, 'db'>;
  /** Everything that is sent or compared is built from this, never from a request. */
  readonly publicUrl: URL;
  readonly identityProvider: IdentityProvider;
  readonly clock: () => Date;
  /** Sends the reply to logins of browsers; the console's. */
  readonly onBrowserLogin: BrowserLogin;
  /** Errors of our own making; the client hears only "server_error". */
  readonly onServerError: (error: Error) => void;
  /** How long a login lasts; default a day. */
  readonly sessionLifetimeSeconds?: number;
}

export interface AuthorizationServer {
  /** Everything under /oauth; reads the body itself. */
  handler(request: IncomingMessage, response: ServerResponse): void;
  /** The login's own routes: to the identity provider and back. Needs @fastify/cookie. */
  registerRoutes(app: FastifyInstance): void;
  /** @throws token_missing, token_invalid, proof_invalid, proof_replayed, session_ended */
  readonly authenticate: Authenticate;
}

const dayInSeconds = 24 * 3600;

export async function createAuthorizationServer(
  options: AuthorizationServerOptions,
): Promise<AuthorizationServer> {
  const { database, publicUrl, identityProvider, clock, jwks, cookieKeys, onBrowserLogin } = options;
  const { db } = database;
  const sessionLifetimeSeconds = options.sessionLifetimeSeconds ?? dayInSeconds;
  const issuer = `${publicUrl.origin}${mountPath}`;
  const parts = { db, publicUrl, clock, sessionLifetimeSeconds };
  const provider = new Provider(issuer, providerConfiguration({ ...parts, keys: { jwks, cookieKeys } }));
  // Its addresses come from forwarded headers, and those from us: see asIfAt().
  provider.proxy = true;
  provider.use(withoutCookie(cookieNames(publicUrl).session));
  provider.on('server_error', (_ctx, error) => options.onServerError(error));
  const callback = provider.callback();
  return {
    handler(request, response) {
      asIfAt(publicUrl, request);
      void callback(request, response);
    },
    registerRoutes(app) {
      registerLoginRoutes(app, { ...parts, provider, identityProvider, onBrowserLogin });
    },
    authenticate: createAuthenticate({
      db,
      issuer,
      audience: apiResource(publicUrl),
      jwks: publicKeys(jwks.keys),
      clock,
    }),
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
