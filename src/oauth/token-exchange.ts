/**
 * A machine's own token for an access token of ours (RFC 8693): API tokens and tokens of CI systems. The session is
 * started by credentials/; here it gets an access token and nothing else, so whoever wants to go on exchanges again.
 */
import type Provider from 'oidc-provider';
import { errors, type TokenEndpointGrantContext } from 'oidc-provider';
import {
  apiTokenType,
  type ExchangedSession,
  exchangeApiToken,
  exchangeCiToken,
  jwtTokenType,
} from '../credentials/exchange-token.ts';
import type { TokenIssuers } from '../credentials/token-issuers.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import { deviceNameParameter } from './authorization-parameters.ts';
import { tokenExchangeGrant } from './client.ts';
import { asOauthError } from './oauth-error.ts';
import { apiResource, mountPath } from './paths.ts';
import { apiResourceServer } from './resource-server.ts';
import { type ProofParts, useProof, verifyProof } from './verify-proof.ts';

export interface TokenExchangeParts extends ProofParts {
  readonly database: DatabaseHandle;
  readonly tokenIssuers: TokenIssuers;
  readonly publicUrl: URL;
  readonly clock: () => Date;
}

const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token';

interface Parameters {
  readonly subject_token?: string;
  readonly subject_token_type?: string;
  readonly requested_token_type?: string;
  readonly audience?: string;
  readonly actor_token?: string;
  readonly actor_token_type?: string;
  readonly device_name?: string;
}

const parameterNames = [
  'subject_token',
  'subject_token_type',
  'requested_token_type',
  'audience',
  'actor_token',
  'actor_token_type',
  'resource',
  deviceNameParameter,
];

export function registerTokenExchange(provider: Provider, parts: TokenExchangeParts): void {
  provider.registerGrantType<Parameters>(
    tokenExchangeGrant,
    async (ctx) => {
      const now = parts.clock();
      try {
        await exchange(provider, parts, ctx, now);
      } catch (error) {
        throw isSallyportError(error) ? asOauthError(error, ctx, parts.nonces, now) : error;
      }
    },
    parameterNames,
  );
}

async function exchange(
  provider: Provider,
  parts: TokenExchangeParts,
  ctx: TokenEndpointGrantContext<Parameters>,
  now: Date,
): Promise<void> {
  const { publicUrl, db } = parts;
  const { params, client } = ctx.oidc;
  requireOurParameters(params, apiResource(publicUrl));
  const proven = {
    dpop: ctx.get('DPoP') || undefined,
    method: ctx.method,
    url: `${publicUrl.origin}${mountPath}/token`,
  };
  const proof = await verifyProof(parts, proven, now);
  await useProof(db, proof, now);
  const { sessionId, accountId, expiresAt } = await startSession(parts, ctx, proof.jkt);
  const left = Math.floor((expiresAt.getTime() - now.getTime()) / 1000);
  // For the whole session: nothing renews it, and a CI job that has one token for its whole run can't get another.
  const expiresIn = Math.max(1, left);
  const token = new provider.AccessToken({
    accountId,
    client,
    // There is no grant, since there is nothing to renew; sessionClaims() knows.
    grantId: sessionId,
    gty: tokenExchangeGrant,
    expiresIn,
  });
  token.resourceServer = new provider.ResourceServer(apiResource(publicUrl), apiResourceServer);
  token.setThumbprint('jkt', proof.jkt);
  ctx.set('DPoP-Nonce', parts.nonces.current(now));
  // RFC 8693 section 2.2.1.
  ctx.body = {
    access_token: await token.save(),
    issued_token_type: accessTokenType,
    token_type: 'DPoP',
    expires_in: expiresIn,
  };
}

/** What else the RFC has: acting for somebody, other kinds of tokens, other audiences. */
function requireOurParameters(
  params: Parameters & { resource?: string | string[] | undefined },
  own: string,
) {
  if (params.actor_token !== undefined || params.actor_token_type !== undefined) {
    throw new errors.InvalidRequest('actor tokens are not taken');
  }
  if (![undefined, accessTokenType].includes(params.requested_token_type)) {
    throw new errors.InvalidRequest('only access tokens are given');
  }
  if ([params.resource ?? own].flat().some((wanted) => wanted !== own)) throw new errors.InvalidTarget();
}

async function startSession(
  parts: TokenExchangeParts,
  ctx: TokenEndpointGrantContext<Parameters>,
  dpopJkt: string,
): Promise<ExchangedSession> {
  const { subject_token: token, subject_token_type: type, audience, device_name: name } = ctx.oidc.params;
  if (!token) throw new errors.InvalidRequest("missing required parameter 'subject_token'");
  const caller = { address: ctx.ip, clientName: name ?? (ctx.get('user-agent') || null), dpopJkt };
  switch (type) {
    case apiTokenType:
      return await exchangeApiToken(parts, { ...caller, token });
    case jwtTokenType:
      return await exchangeCiToken(parts, { ...caller, jwt: token, ...(audience ? { audience } : {}) });
    default:
      throw new errors.InvalidRequest(`subject_token_type must be ${apiTokenType} or ${jwtTokenType}`);
  }
}
