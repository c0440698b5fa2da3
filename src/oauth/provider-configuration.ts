/** How oidc-provider is set up: as little as `sally` needs. What is not switched on here answers "not found". */
import type { Configuration, ErrorOut, JWKS, KoaContextWithOIDC } from 'oidc-provider';
import { errors } from 'oidc-provider';
import { loadAccount } from '../accounts/account.ts';
import type { Database } from '../database/database.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import { contentSecurityPolicy } from '../pages/assets.ts';
import { messagePage } from '../pages/message-page.ts';
import { endedAmong } from '../sessions/ended-sessions.ts';
import { sessionByGrant } from '../sessions/find-session.ts';
import { proofAlgorithms } from './access-token.ts';
import { createAdapterFactory } from './adapter.ts';
import { sally } from './client.ts';
import { type AuthorizationServerKeys, signingAlgorithm } from './keys.ts';

export interface ProviderParts {
  readonly db: Database;
  readonly publicUrl: URL;
  readonly keys: AuthorizationServerKeys;
  readonly clock: () => Date;
  readonly sessionLifetimeSeconds: number;
}

/** Where the authorization server is mounted: its issuer is the public URL and this. */
export const mountPath = '/oauth';
/** Where an authorization request goes on, under the mount path. */
export const interactionPath = '/interaction';

/** The resource that access tokens are for (RFC 8707). */
export function apiResource(publicUrl: URL): string {
  return `${publicUrl.origin}/v1`;
}

const accessTokenSeconds = 300;
const interactionSeconds = 900;
/** An extra parameter of the authorization request: the name of the person's machine, shown in lists of sessions. */
export const deviceNameParameter = 'device_name';

export function providerConfiguration(parts: ProviderParts): Configuration {
  const { db, publicUrl, keys, clock, sessionLifetimeSeconds } = parts;
  const secure = publicUrl.protocol === 'https:';
  const cookie = { httpOnly: true, sameSite: 'lax', secure, signed: true } as const;
  const resource = apiResource(publicUrl);
  return {
    adapter: createAdapterFactory({ db, clock }),
    clients: [sally],
    jwks: { keys: [...keys.jwks.keys] } as JWKS,
    cookies: {
      names: cookieNames(publicUrl),
      keys: [...keys.cookieKeys],
      long: cookie,
      short: cookie,
    },
    scopes: ['openid', 'offline_access'],
    responseTypes: ['code'],
    pkce: { required: () => true },
    enabledJWA: { dPoPSigningAlgValues: [...proofAlgorithms] },
    allowOmittingSingleRegisteredRedirectUri: false,
    clientBasedCORS: () => false,
    extraParams: [deviceNameParameter],
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: true },
      pushedAuthorizationRequests: { enabled: false },
      revocation: {
        enabled: true,
        allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId,
      },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => resource,
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, indicator) => {
          if (indicator !== resource) throw new errors.InvalidTarget();
          return {
            scope: '',
            accessTokenTTL: accessTokenSeconds,
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg: signingAlgorithm } },
          };
        },
      },
    },
    interactions: { url: (_ctx, interaction) => `${mountPath}${interactionPath}/${interaction.uid}` },
    findAccount: async (_ctx, sub) => ((await isUsable(db, sub)) ? account(sub) : undefined),
    extraTokenClaims: async (_ctx, token) => ({ sid: await liveSession(db, token, clock()) }),
    // Every login of `sally` is renewed until its session ends; the person agreed to that by running it.
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    expiresWithSession: () => false,
    ttl: {
      AccessToken: accessTokenSeconds,
      AuthorizationCode: 60,
      Grant: sessionLifetimeSeconds,
      IdToken: accessTokenSeconds,
      Interaction: interactionSeconds,
      RefreshToken: sessionLifetimeSeconds,
      Session: interactionSeconds,
    },
    renderError,
  };
}

/** `__Secure-`, not `__Host-`, since each goes to one path only (RFC 6265bis section 4.1.3). */
export function cookieNames(publicUrl: URL) {
  const prefix = publicUrl.protocol === 'https:' ? '__Secure-sallyport' : 'sallyport';
  return { session: `${prefix}-oauth`, interaction: `${prefix}-interaction`, resume: `${prefix}-resume` };
}

function account(accountId: string) {
  return { accountId, claims: () => ({ sub: accountId }) };
}

async function isUsable(db: Database, accountId: string): Promise<boolean> {
  const found = await loadAccount(db, accountId).catch((error) => {
    if (isSallyportError(error) && error.code === 'not_found') return undefined;
    throw error;
  });
  return found !== undefined && !found.facts.disabled;
}

/** The session that a token is issued in the name of. No token is issued for one that has ended. */
async function liveSession(db: Database, token: object, now: Date): Promise<string> {
  const { grantId } = token as { grantId?: string };
  const session = grantId === undefined ? undefined : await sessionByGrant(db, grantId);
  if (session === undefined || (await endedAmong(db, [session.sessionId], now)).length > 0) {
    throw new errors.InvalidGrant('the login session has ended');
  }
  return session.sessionId;
}

/** For errors that may not or can not be sent to the helper's redirect URI. */
function renderError(ctx: KoaContextWithOIDC, out: ErrorOut): void {
  ctx.set('content-security-policy', contentSecurityPolicy());
  ctx.set('referrer-policy', 'same-origin');
  ctx.set('x-content-type-options', 'nosniff');
  ctx.type = 'html';
  ctx.body = messagePage({
    title: 'This login can’t go on',
    paragraphs: [
      `The request was refused: ${out.error_description ?? out.error}.`,
      'Start again on your terminal with: sally login',
    ],
    tone: 'bad',
    note: out.error,
  });
}
