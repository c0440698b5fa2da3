/**
 * The relying party: sends a person to an identity provider and makes of the reply what the rest of Sallyport may
 * believe. Authorization code flow with PKCE, state and nonce (OpenID Connect Core section 3.1, RFC 9700 section 2.1).
 */
import * as client from 'openid-client';
import type { DatabaseHandle } from '../database/database.ts';
import type { SallyportError } from '../errors/sallyport-error.ts';
import { createGuardedFetch, type GuardedFetch, requireAcceptableUrl } from '../outbound/guarded-fetch.ts';
import type { Kept } from '../outbound/kept.ts';
import { createRemoteKeys, type RemoteKeys } from '../outbound/remote-keys.ts';
import type { Claims } from './claim-at.ts';
import { createDiscovery } from './discovery.ts';
import {
  type ExpectedToken,
  type IdentityProvider,
  type LoginStart,
  notePurpose,
  type RefreshedFor,
  type UpstreamProfile,
} from './identity-provider.ts';
import { evidenceFrom } from './login-evidence.ts';
import { type LoginResult, rejected } from './login-result.ts';
import { consumeLoginState, type LoginState, saveLoginState, stateOf } from './login-state.ts';
import { providerError, refreshError } from './provider-error.ts';
import { lacksClaims, personFrom } from './provider-person.ts';
import { refreshTokenOf, scopesOf } from './provider-refresh-token.ts';
import type { ProviderSettings } from './provider-settings.ts';
import { requireSigned, signingAlgorithms, verifyProviderToken } from './verify-provider-token.ts';

export interface IdentityProviderParts {
  readonly slug: string;
  readonly settings: ProviderSettings;
  /** null: a public client. */
  readonly clientSecret: string | null;
  /** Ours, as registered at the provider. */
  readonly redirectUri: URL;
  /** Accept http:// where the provider runs on this very machine. For the demo and for tests. */
  readonly allowInsecureLoopback: boolean;
  /** Networks in CIDR notation that may be reached although they are not public. */
  readonly privateNetworks?: readonly string[];
  /** Whether the provider itself may be at a private address: where the operator has named it. */
  readonly mayBePrivate?: boolean;
  /** Accept the demo's provider, whose login page shows everybody's one-time codes. For `sallyport dev` only. */
  readonly acceptDemo?: boolean;
  readonly clock: () => Date;
  readonly database: Pick<DatabaseHandle, 'db'>;
}

/** Always asked for where it can be, since only then must a provider send `auth_time` (OpenID Connect Core section 2). */
const defaultMaxAgeSeconds = 12 * 3600;

/** @throws login_provider_error if the issuer is neither https nor an allowed loopback address */
export function createIdentityProvider(parts: IdentityProviderParts): IdentityProvider {
  requireAcceptableUrl(new URL(parts.settings.issuer), parts.allowInsecureLoopback);
  return new OpenIdProvider(parts);
}

class OpenIdProvider implements IdentityProvider {
  readonly slug: string;
  readonly name: string;
  /** As the provider calls itself, letter for letter: half of an identity. */
  readonly issuer: string;
  readonly organizationSlug: string;
  readonly settings: ProviderSettings;
  readonly canStepUp: boolean;
  readonly #parts: IdentityProviderParts;
  readonly #host: URL;
  readonly #fetch: GuardedFetch;
  readonly #discovery: Kept<client.Configuration>;
  readonly #keys: RemoteKeys;

  constructor(parts: IdentityProviderParts) {
    const { slug, settings, clientSecret, allowInsecureLoopback, acceptDemo = false, clock } = parts;
    this.slug = slug;
    this.name = settings.name;
    this.issuer = settings.issuer;
    this.organizationSlug = settings.organization;
    this.settings = settings;
    this.canStepUp = settings.assurance.stepUp !== null;
    this.#parts = parts;
    this.#host = new URL(settings.issuer);
    this.#fetch = createGuardedFetch({
      allowInsecureLoopback,
      privateNetworks: parts.privateNetworks ?? [],
      privateHosts: parts.mayBePrivate ? [this.#host.host] : [],
    });
    this.#discovery = createDiscovery({
      issuer: settings.issuer,
      clientId: settings.clientId,
      clientSecret,
      fetch: this.#fetch,
      allowInsecureLoopback,
      acceptDemo,
      clock,
    });
    const url = async () => String((await this.#discovery.get()).serverMetadata().jwks_uri);
    this.#keys = createRemoteKeys({ url, fetch: this.#fetch, clock });
  }

  async discover(): Promise<void> {
    await this.#discovery.reload();
    await this.#keys.load();
  }

  async startLogin(start: LoginStart): Promise<URL> {
    const { redirectUri, clock, database } = this.#parts;
    // Asked anew, although it is known: a browser that is sent to a provider that is away sees nothing of ours any more.
    const config = await this.#discovery.checked();
    const now = clock();
    const state = client.randomState();
    const maxAgeSeconds = Math.min(start.maxAgeSeconds ?? defaultMaxAgeSeconds, defaultMaxAgeSeconds);
    const login: LoginState = {
      provider: this.slug,
      purpose: start.purpose,
      nonce: client.randomNonce(),
      codeVerifier: client.randomPKCECodeVerifier(),
      startedAt: unixSeconds(now),
      maxAgeSeconds: this.settings.maxAge ? maxAgeSeconds : null,
      fresh: start.fresh === true,
    };
    await saveLoginState(database.db, { state, browserSecret: start.browserSecret }, login, now);
    return client.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri.href,
      scope: scopesOf(this.settings, config.serverMetadata().scopes_supported).join(' '),
      code_challenge: await client.calculatePKCECodeChallenge(login.codeVerifier),
      code_challenge_method: 'S256',
      state,
      nonce: login.nonce,
      ...(login.maxAgeSeconds === null ? {} : { max_age: String(login.maxAgeSeconds) }),
      ...(login.fresh ? { prompt: 'login' } : {}),
      ...(start.acrValues?.length ? { acr_values: start.acrValues.join(' ') } : {}),
      ...(start.loginHint === undefined ? {} : { login_hint: start.loginHint }),
    });
  }

  async finishLogin(callbackUrl: URL, browserSecret: string | undefined): Promise<LoginResult> {
    const { clock, database } = this.#parts;
    const state = stateOf(callbackUrl);
    // Consumed whatever comes next: a second try with the same reply finds nothing.
    const received = { provider: this.slug, state, browserSecret };
    const login = await consumeLoginState(database.db, received, clock());
    return await this.#result(callbackUrl, state, login).catch((error) => {
      throw notePurpose(this.#noted(providerError(error, this.#host)), login.purpose);
    });
  }

  async refresh(refreshToken: string, { subject, keep }: RefreshedFor): Promise<UpstreamProfile> {
    const failed = (error: unknown): never => {
      throw this.#noted(refreshError(error, this.#host));
    };
    const tokens = await this.#refreshed(refreshToken).catch(failed);
    if (tokens.refresh_token !== undefined) await keep(tokens.refresh_token);
    const claims = await this.#claimsOf(tokens, subject).catch(failed);
    if (claims.sub !== subject) {
      throw rejected('The identity provider answered for somebody else. Log in again.');
    }
    const access = { fetch: this.#fetch, accessToken: tokens.access_token };
    return await personFrom(claims, this.settings, access);
  }

  async verifyToken(jwt: string, expected: ExpectedToken) {
    const { clock } = this.#parts;
    const config = await this.#discovery.get();
    const { issuer } = config.serverMetadata();
    const audience = this.settings.clientId;
    const algorithms = signingAlgorithms(config);
    const now = unixSeconds(clock());
    return await verifyProviderToken(this.#keys, jwt, { ...expected, issuer, audience, algorithms, now });
  }

  async endSessionUrl({ postLogoutRedirectUri, state }: Parameters<IdentityProvider['endSessionUrl']>[0]) {
    const config = await this.#discovery.get();
    const { end_session_endpoint: endpoint } = config.serverMetadata();
    if (endpoint === undefined || !URL.canParse(endpoint)) return null;
    requireAcceptableUrl(new URL(endpoint), this.#parts.allowInsecureLoopback);
    return client.buildEndSessionUrl(config, {
      post_logout_redirect_uri: postLogoutRedirectUri.href,
      ...(state === undefined ? {} : { state }),
    });
  }

  async #result(callbackUrl: URL, state: string, login: LoginState): Promise<LoginResult> {
    const { clock } = this.#parts;
    const config = await this.#discovery.get();
    const { idToken, tokens } = await this.#redeem(config, callbackUrl, state, login);
    const evidence = evidenceFrom(idToken, this.settings, login, clock());
    const claims = await this.#withUserinfo(config, idToken, tokens.access_token);
    const access = { fetch: this.#fetch, accessToken: tokens.access_token };
    return {
      provider: { slug: this.slug, name: this.name },
      organizationSlug: this.organizationSlug,
      issuer: config.serverMetadata().issuer,
      subject: idToken.sub,
      ...(await personFrom(claims, this.settings, access)),
      ...evidence,
      refreshToken: refreshTokenOf(this.settings, tokens),
    };
  }

  async #redeem(config: client.Configuration, callbackUrl: URL, expectedState: string, login: LoginState) {
    const reply = new URL(this.#parts.redirectUri);
    reply.search = callbackUrl.search;
    const tokens = await client.authorizationCodeGrant(config, reply, {
      pkceCodeVerifier: login.codeVerifier,
      expectedState,
      expectedNonce: login.nonce,
      ...(login.maxAgeSeconds === null ? {} : { maxAge: login.maxAgeSeconds }),
      idTokenExpected: true,
    });
    const idToken = tokens.claims();
    if (idToken === undefined) throw rejected('The reply holds no ID token.');
    // Without the signature an ID token is only as good as the connection it came over.
    await requireSigned(this.#keys, tokens.id_token ?? '', config);
    return { idToken, tokens };
  }

  async #refreshed(refreshToken: string) {
    return await client.refreshTokenGrant(await this.#discovery.get(), refreshToken);
  }

  async #claimsOf(tokens: Awaited<ReturnType<typeof client.refreshTokenGrant>>, subject: string) {
    const config = await this.#discovery.get();
    if (tokens.id_token !== undefined) await this.#keys.verify(tokens.id_token, signingAlgorithms(config));
    const idToken: Claims & { readonly sub: string } = tokens.claims() ?? { sub: subject };
    if (tokens.id_token === undefined && config.serverMetadata().userinfo_endpoint === undefined) {
      throw new TypeError('neither ID token nor userinfo endpoint');
    }
    return await this.#withUserinfo(config, idToken, tokens.access_token);
  }

  /** The ID token's claims have the last word. */
  async #withUserinfo(
    config: client.Configuration,
    idToken: Claims & { readonly sub: string },
    accessToken: string,
  ): Promise<Claims & { readonly sub: string }> {
    const has = config.serverMetadata().userinfo_endpoint !== undefined;
    if (!has || !lacksClaims(idToken, this.settings)) return idToken;
    return { ...(await client.fetchUserInfo(config, accessToken, idToken.sub)), ...idToken };
  }

  /** What can't be reached is looked for anew, so that a moved endpoint does not stay lost for an hour. */
  #noted(failure: SallyportError): SallyportError {
    if (failure.code === 'login_provider_error') this.#discovery.renewed().catch(() => undefined);
    return failure;
  }
}

function unixSeconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}
