/** How oidc-provider is set up: as little as `sally` needs. What is not switched on here answers "not found". */
import type { Configuration, ErrorOut, JWKS, KoaContextWithOIDC } from 'oidc-provider';
import { errors } from 'oidc-provider';
import type { Database } from '../database/database.ts';
import { contentSecurityPolicy } from '../pages/assets.ts';
import { messagePage } from '../pages/message-page.ts';
import { createAdapterFactory } from './adapter.ts';
import { extraParameters, multiFactorAcr } from './authorization-parameters.ts';
import { sally } from './client.ts';
import { admitDevice, deviceAuthorizationPath, deviceInfo, userCodeSeconds } from './device-authorization.ts';
import type { AuthorizationServerKeys } from './keys.ts';
import { apiResource, interactionPath, mountPath, pushedRequestPath } from './paths.ts';
import type { ProofNonces } from './proof-nonces.ts';
import { accessTokenSeconds, apiResourceServer } from './resource-server.ts';
import { type AccountParts, findAccount, sessionClaims } from './token-account.ts';
import { userCodeCharset, userCodeMask } from './user-code.ts';
import { isRecentProof, proofAlgorithms } from './verify-proof.ts';

export interface ProviderParts extends AccountParts {
  readonly db: Database;
  readonly publicUrl: URL;
  readonly keys: AuthorizationServerKeys;
  readonly nonces: ProofNonces;
  /** 32 bytes: what `nonces` was made with. */
  readonly nonceKey: Buffer;
  /** Of the digests of user codes. */
  readonly userCodeKey: Buffer;
  readonly clock: () => Date;
}

const interactionSeconds = 900;
/** The session of a grant says when it ends; its rows are kept until then. This is the longest session there can be. */
const grantSeconds = 30 * 24 * 3600;

export function providerConfiguration(parts: ProviderParts): Configuration {
  const { db, publicUrl, keys, userCodeKey, clock } = parts;
  const secure = publicUrl.protocol === 'https:';
  const cookie = { httpOnly: true, sameSite: 'lax', secure, signed: true } as const;
  const resource = apiResource(publicUrl);
  return {
    adapter: createAdapterFactory({ db, userCodeKey, clock }),
    clients: [sally],
    jwks: { keys: [...keys.jwks.keys] } as JWKS,
    cookies: {
      names: cookieNames(publicUrl),
      keys: [...keys.cookieKeys],
      long: cookie,
      short: cookie,
    },
    scopes: ['openid', 'offline_access'],
    acrValues: [multiFactorAcr],
    responseTypes: ['code'],
    pkce: { required: () => true },
    enabledJWA: { dPoPSigningAlgValues: [...proofAlgorithms] },
    allowOmittingSingleRegisteredRedirectUri: false,
    clientBasedCORS: () => false,
    routes: {
      device_authorization: deviceAuthorizationPath,
      pushed_authorization_request: pushedRequestPath,
    },
    extraParams: extraParameters({
      pushed_authorization_request: requireProof,
      device_authorization: (ctx) => admitDevice(parts, ctx),
    }),
    features: {
      devInteractions: { enabled: false },
      dPoP: {
        enabled: true,
        nonceSecret: parts.nonceKey,
        requireNonce: (ctx) => requireRecentProof(ctx, clock),
      },
      pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: true },
      deviceFlow: { enabled: true, charset: userCodeCharset, mask: userCodeMask, deviceInfo },
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
          return apiResourceServer;
        },
      },
    },
    interactions: { url: (_ctx, interaction) => `${mountPath}${interactionPath}/${interaction.uid}` },
    findAccount: (_ctx, accountId, token) => findAccount(parts, accountId, token),
    extraTokenClaims: (_ctx, token) => sessionClaims(parts, token),
    // Every login of `sally` is renewed until its session ends; the person agreed to that by running it.
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    expiresWithSession: () => false,
    ttl: {
      AccessToken: accessTokenSeconds,
      AuthorizationCode: 60,
      DeviceCode: userCodeSeconds,
      Grant: grantSeconds,
      IdToken: accessTokenSeconds,
      Interaction: interactionSeconds,
      RefreshToken: grantSeconds,
      Session: interactionSeconds,
    },
    renderError,
  };
}

/** Binds the code to the key from the very start (RFC 9449 section 10.1); oidc-provider checks a proof that is there. */
async function requireProof(ctx: KoaContextWithOIDC): Promise<void> {
  if (!ctx.get('DPoP')) throw new errors.InvalidDpopProof('a DPoP proof is needed');
}

/**
 * Every proof needs a nonce. For oidc-provider that says enough of its age; here `iat` must be recent all the same, so
 * that a proof is as old as the replay store remembers at most. It is called before the proof is verified.
 */
function requireRecentProof(ctx: KoaContextWithOIDC, clock: () => Date): true {
  if (!isRecentProof(ctx.get('DPoP'), clock()))
    throw new errors.InvalidDpopProof('DPoP proof iat is not recent');
  return true;
}

/** `__Secure-`, not `__Host-`, since each goes to one path only (RFC 6265bis section 4.1.3). */
export function cookieNames(publicUrl: URL) {
  const prefix = publicUrl.protocol === 'https:' ? '__Secure-sallyport' : 'sallyport';
  return { session: `${prefix}-oauth`, interaction: `${prefix}-interaction`, resume: `${prefix}-resume` };
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
