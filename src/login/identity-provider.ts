/**
 * The relying party: sends a person to the organization's identity provider and makes of the reply what the rest of
 * Sallyport may believe. Authorization code flow with PKCE, state and nonce (OpenID Connect Core section 3.1, RFC 9700
 * section 2.1); it knows nothing of what the login is for.
 */
import type { JWTPayload } from 'jose';
import * as client from 'openid-client';
import type { DatabaseHandle } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { createGuardedFetch, requireAcceptableUrl } from '../outbound/guarded-fetch.ts';
import {
  amrFrom,
  authTimeFrom,
  type ClaimNames,
  type Claims,
  type LoginResult,
  lacksProfile,
  profileFrom,
} from './login-result.ts';
import { consumeLoginState, type LoginState, saveLoginState, stateInvalid } from './login-state.ts';
import { discoveryError, providerError } from './provider-error.ts';

export interface IdentityProviderSettings {
  readonly issuer: URL;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Ours, as registered at the provider. */
  readonly redirectUri: URL;
  /** `openid` is added if it is missing. */
  readonly scopes: readonly string[];
  readonly claims: ClaimNames;
  /** RFC 8176 values of `amr`; one of them makes a login count as multi-factor. */
  readonly mfaMethods: readonly string[];
  readonly organizationSlug: string;
  /** Accept http:// where the provider runs on this very machine. For the demo and for tests. */
  readonly allowInsecureLoopback: boolean;
  /** Accept the demo's provider, whose login page shows everybody's one-time codes. For `sallyport dev` only. */
  readonly acceptDemo?: boolean;
  readonly clock: () => Date;
  readonly database: Pick<DatabaseHandle, 'db'>;
}

export interface LoginStart {
  /** Handed back by finishLogin; must be JSON. */
  readonly purpose: Readonly<Record<string, unknown>>;
  /** From browserSecretOf(): the reply counts only in this browser. */
  readonly browserSecret: string;
  /** Oldest login at the provider that will do, in seconds. */
  readonly maxAgeSeconds?: number;
  /** The person must prove who they are now, whatever the provider remembers. */
  readonly fresh?: boolean;
  /** What the provider is asked to reach (OpenID Connect Core section 3.1.2.1); what it reached is in the result. */
  readonly acrValues?: readonly string[];
  readonly loginHint?: string;
}

/** Who a person is at their provider now, without a login. */
export interface UpstreamProfile {
  readonly accountName: string;
  readonly displayName: string;
  readonly groups: readonly string[];
  /** The successor, where the provider rotates them; null: the old one stays good. */
  readonly refreshToken: string | null;
}

export interface IdentityProvider {
  readonly slug: string;
  /** For people. */
  readonly name: string;
  readonly issuer: string;
  readonly organizationSlug: string;
  /** Whether it can be asked for a second factor. */
  readonly canStepUp: boolean;
  /** Reads its metadata now. @throws login_provider_error; settings_invalid if it is the demo's */
  discover(): Promise<void>;
  /** Where to send the browser. @throws login_provider_error */
  startLogin(start: LoginStart): Promise<URL>;
  /**
   * @param callbackUrl only its query is read
   * @throws login_state_invalid, login_rejected, login_provider_error, name_refused; for all but the first
   * purposeOfFailure() tells what the login was for
   */
  finishLogin(callbackUrl: URL, browserSecret: string | undefined): Promise<LoginResult>;
  /**
   * Asks whether the person is still known there, and what they are now.
   * @throws grant_invalid only if the provider says `invalid_grant`; login_rejected, name_refused if what it says of the
   * person is no longer acceptable; login_provider_error for everything else, an outage
   */
  refresh(refreshToken: string, expected: { readonly subject: string }): Promise<UpstreamProfile>;
  /**
   * A JWT that the provider sent by another way than a login: signature, `iss`, `aud` (our client id), `iat`, `exp`.
   * @param typ acceptable header values, `''` for none; absent: any
   * @throws token_invalid; login_provider_error if its keys can't be had
   */
  verifyToken(
    jwt: string,
    expected: { readonly typ?: readonly string[]; readonly maxAgeSeconds: number },
  ): Promise<JWTPayload>;
  /** Where to send a browser that signs out there too; null if the provider has no such page. */
  endSessionUrl(request: {
    readonly idToken: string | null;
    readonly postLogoutRedirectUri: URL;
    readonly state?: string;
  }): Promise<URL | null>;
}

/** Always asked for, since only then must a provider send `auth_time` (OpenID Connect Core section 2). */
const defaultMaxAgeSeconds = 12 * 3600;

const failures = new WeakMap<Error, LoginResult['purpose']>();

/** Notes what a failed login was for, so that whoever asked for it can be told. Returns the error. */
export function notePurpose(error: unknown, purpose: LoginResult['purpose']): unknown {
  if (error instanceof Error) failures.set(error, purpose);
  return error;
}

/** What a login that failed was for; undefined if it was not even found. */
export function purposeOfFailure(error: unknown): Readonly<Record<string, unknown>> | undefined {
  return error instanceof Error ? failures.get(error) : undefined;
}

/** @throws login_provider_error if the issuer or the redirect URI is neither https nor an allowed loopback address */
export function createIdentityProvider(settings: IdentityProviderSettings): IdentityProvider {
  requireAcceptableUrl(settings.issuer, settings.allowInsecureLoopback);
  return new OpenIdProvider(settings);
}

class OpenIdProvider implements IdentityProvider {
  readonly slug = 'default';
  readonly issuer: string;
  readonly canStepUp = false;
  readonly #settings: IdentityProviderSettings;
  readonly #discovered: () => Promise<client.Configuration>;

  constructor(settings: IdentityProviderSettings) {
    // A URL without path gains a slash in `href`; the identity's issuer is what the provider calls itself.
    this.issuer = settings.issuer.href.replace(/\/$/, '');
    this.#settings = settings;
    this.#discovered = lazily(() => discover(settings));
  }

  get name(): string {
    return this.#settings.issuer.host;
  }

  get organizationSlug(): string {
    return this.#settings.organizationSlug;
  }

  async refresh(): Promise<UpstreamProfile> {
    throw new SallyportError('internal', 'not yet');
  }

  async verifyToken(): Promise<JWTPayload> {
    throw new SallyportError('internal', 'not yet');
  }

  async endSessionUrl(): Promise<URL | null> {
    return null;
  }

  async discover(): Promise<void> {
    await this.#configuration();
  }

  async startLogin({ purpose, browserSecret, maxAgeSeconds, fresh = false }: LoginStart): Promise<URL> {
    const { redirectUri, scopes, clock, database } = this.#settings;
    const config = await this.#configuration();
    const now = clock();
    const state = client.randomState();
    const login: LoginState = {
      purpose,
      nonce: client.randomNonce(),
      codeVerifier: client.randomPKCECodeVerifier(),
      startedAt: unixSeconds(now),
      maxAgeSeconds: Math.min(maxAgeSeconds ?? defaultMaxAgeSeconds, defaultMaxAgeSeconds),
      fresh,
    };
    await saveLoginState(database.db, { state, browserSecret }, login, now);
    return client.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri.href,
      scope: [...new Set(['openid', ...scopes])].join(' '),
      code_challenge: await client.calculatePKCECodeChallenge(login.codeVerifier),
      code_challenge_method: 'S256',
      state,
      nonce: login.nonce,
      max_age: String(login.maxAgeSeconds),
      ...(fresh ? { prompt: 'login' } : {}),
    });
  }

  async finishLogin(callbackUrl: URL, browserSecret: string | undefined): Promise<LoginResult> {
    const { clock, database } = this.#settings;
    const state = onlyState(callbackUrl);
    // Consumed whatever comes next: a second try with the same reply finds nothing.
    const login = await consumeLoginState(database.db, { state, browserSecret }, clock());
    return await this.#result(callbackUrl, state, login).catch((error) => {
      throw notePurpose(error, login.purpose);
    });
  }

  async #result(callbackUrl: URL, state: string, login: LoginState): Promise<LoginResult> {
    const { redirectUri, clock, claims: names, mfaMethods, organizationSlug } = this.#settings;
    const config = await this.#configuration();
    const reply = new URL(redirectUri);
    reply.search = callbackUrl.search;
    const { idToken, userinfo } = await redeem(config, reply, state, login, names).catch((error) => {
      throw providerError(error, this.#settings.issuer);
    });
    const amr = amrFrom(idToken);
    const { acr } = idToken;
    const freshSinceSeconds = login.fresh ? login.startedAt : null;
    const mfa = amr.some((method) => mfaMethods.includes(method));
    return {
      provider: { slug: this.slug, name: this.name },
      mfaMethods: mfa ? amr : [],
      upstreamSid: typeof idToken['sid'] === 'string' ? idToken['sid'] : null,
      refreshToken: null,
      idToken: '',
      startedAt: new Date(login.startedAt * 1000),
      issuer: config.serverMetadata().issuer,
      subject: idToken.sub,
      // The signed token has the last word. How and when the person logged in comes from nowhere else.
      ...profileFrom({ ...userinfo, ...idToken }, names),
      amr,
      acr: typeof acr === 'string' ? acr : null,
      authTime: authTimeFrom(idToken, unixSeconds(clock()), freshSinceSeconds),
      mfa,
      purpose: login.purpose,
      organizationSlug,
    };
  }

  async #configuration(): Promise<client.Configuration> {
    return await this.#discovered().catch((error) => {
      throw discoveryError(error, this.#settings.issuer);
    });
  }
}

/** The one `state` of a reply. @throws login_state_invalid if it is missing, empty or given twice */
function onlyState(callbackUrl: URL): string {
  const states = callbackUrl.searchParams.getAll('state');
  const [state] = states;
  if (states.length !== 1 || !state) throw stateInvalid();
  return state;
}

async function redeem(
  config: client.Configuration,
  reply: URL,
  expectedState: string,
  { codeVerifier, nonce, maxAgeSeconds }: LoginState,
  names: ClaimNames,
): Promise<{ idToken: client.IDToken; userinfo: Claims }> {
  const tokens = await client.authorizationCodeGrant(config, reply, {
    pkceCodeVerifier: codeVerifier,
    expectedState,
    expectedNonce: nonce,
    maxAge: maxAgeSeconds,
    idTokenExpected: true,
  });
  const idToken = tokens.claims();
  if (idToken === undefined) throw new SallyportError('login_rejected', 'The reply holds no ID token.');
  const ask = lacksProfile(idToken, names) && config.serverMetadata().userinfo_endpoint !== undefined;
  const userinfo = ask ? await client.fetchUserInfo(config, tokens.access_token, idToken.sub) : {};
  return { idToken, userinfo };
}

async function discover(settings: IdentityProviderSettings): Promise<client.Configuration> {
  const { issuer, clientId, clientSecret, allowInsecureLoopback, acceptDemo = false } = settings;
  const config = await client.discovery(issuer, clientId, undefined, authenticationBy(clientSecret), {
    [client.customFetch]: createGuardedFetch({ allowInsecureLoopback }) as client.CustomFetch,
    execute: [
      // The signature is checked too: without it an ID token is only as good as the connection it came over.
      client.enableNonRepudiationChecks,
      // Still https everywhere but on this machine itself: the guarded fetch sees to that.
      ...(allowInsecureLoopback ? [client.allowInsecureRequests] : []),
    ],
  });
  const { authorization_endpoint: endpoint = '', [demoMark]: isDemo } = config.serverMetadata();
  if (isDemo === true && !acceptDemo) {
    throw new SallyportError(
      'settings_invalid',
      `${issuer.host} is the identity provider of the demo, which proves nothing about anybody. Set SALLYPORT_OIDC_ISSUER to your organization's.`,
    );
  }
  if (!URL.canParse(endpoint)) {
    throw new SallyportError(
      'login_provider_error',
      `The identity provider ${issuer.host} does not say where its login page is. Tell its administrator.`,
    );
  }
  // Browsers are sent there; nothing else looks at it.
  requireAcceptableUrl(new URL(endpoint), allowInsecureLoopback);
  return config;
}

/** By the way the provider supports; HTTP Basic where it does not say (OpenID Connect Discovery section 3). */
function authenticationBy(clientSecret: string): client.ClientAuth {
  const [basic, post] = [client.ClientSecretBasic(clientSecret), client.ClientSecretPost(clientSecret)];
  return (server, registration, body, headers) => {
    const methods = server.token_endpoint_auth_methods_supported;
    const useBasic = methods === undefined || methods.includes('client_secret_basic');
    (useBasic ? basic : post)(server, registration, body, headers);
  };
}

/** In the discovery document of `sallyport dev`'s identity provider. */
export const demoMark = 'sallyport_demo';

/** Runs `work` when first asked, keeps what it found, and tries again after a failure. */
function lazily<T>(work: () => Promise<T>): () => Promise<T> {
  let found: Promise<T> | undefined;
  return () => {
    found ??= work().catch((error) => {
      found = undefined;
      throw error;
    });
    return found;
  };
}

function unixSeconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}
