/**
 * A real OpenID Connect provider (oidc-provider) as somebody else would run it: single sign-on that is remembered in the
 * browser, a plain login form that asks for a name only, and switches for what providers do differently or wrong. What
 * it says in its tokens can be changed while it runs (`behaviour`).
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { decodeJwt, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import Provider, { type Configuration, interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import { memoryAdapter } from '../../src/dev/identity-provider-memory.ts';
import type { Browser, VisitedPage } from '../../src/dev/tour/browser.ts';
import type { ProviderSettings } from '../../src/login/provider-settings.ts';

export interface TestPerson {
  /** What is typed into the login form, and `sub`. */
  readonly username: string;
  readonly name?: string;
  readonly email?: string;
  readonly groups?: readonly string[];
}

/** Everything here may be changed while the provider runs. */
export interface TestProviderBehaviour {
  /** `amr` of every login; null: none is sent. */
  amr: readonly string[] | null;
  acr: string | null;
  /** What `auth_time` is off by; null: it is not sent. */
  authTimeOffsetSeconds: number | null;
  /** What `iat` and `exp` are off by: the provider's clock. */
  clockSkewSeconds: number;
  /** Whether a refresh token comes with every login; each use gives a new one. */
  refreshTokens: boolean;
  /** Claims that are different; undefined leaves one out. */
  claims: ((person: TestPerson) => Record<string, unknown>) | null;
  /** Groups are not sent; the tokens say that they can be asked for at `/groups`. */
  groupsOverage: boolean;
  /** Says that it reached whatever acr was asked for, having done nothing. */
  lyingAcr: boolean;
  /** With this acr asked for, the login form is shown again, and then acr and `stepUpAmr` are what was asked. */
  requireStepUpAcr: string | null;
  stepUpAmr: readonly string[];
  /** Members of the discovery document that are different; undefined leaves one out. */
  metadata: Record<string, unknown>;
  /** Requests for these paths get no answer, only a closed connection. */
  readonly brokenPaths: Set<string>;
}

export interface TestProviderOptions extends Partial<TestProviderBehaviour> {
  /** The provider's slug here, from which its redirect URI follows; default `default`. */
  readonly slug?: string;
  readonly people: readonly TestPerson[];
  /** Our own public URL; or call registerAt() when it is known. */
  readonly publicUrl?: URL;
  /** Where logout tokens go, if not to our own public URL. */
  readonly backChannelLogout?: URL;
  readonly signingAlg?: SigningAlg;
}

/** What oidc-provider's client does without saying so in its types. */
interface LogoutReceiver {
  backchannelLogout(sub: string, sid: string): Promise<void>;
}

type SigningAlg = 'ES256' | 'RS256' | 'PS256' | 'EdDSA';

export interface TestProviderRequest {
  readonly method: string;
  readonly path: string;
  /** Of requests to the token endpoint. */
  readonly grantType?: string;
  readonly status: number;
}

export interface TestProvider {
  readonly slug: string;
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly behaviour: TestProviderBehaviour;
  readonly requests: TestProviderRequest[];
  /** Registers our redirect URIs, logout URI and the page after signing out. */
  registerAt(publicUrl: URL): Promise<void>;
  /** As ServerParts and createIdentityProviders take it. */
  configured(change?: Partial<ProviderSettings>): {
    readonly slug: string;
    readonly settings: ProviderSettings;
    readonly clientSecret: string;
  };
  /** Opens `start`, fills in the provider's login form if it is shown, and returns where the redirects end. */
  logIn(browser: Browser, start: URL | VisitedPage, username: string): Promise<VisitedPage>;
  /** New signing keys; tokens signed with the old ones are no longer good. */
  rotateKeys(): Promise<void>;
  /** From now on every connection is closed without an answer. */
  stop(): void;
  start(): void;
  /** Sends us a logout token (OpenID Connect Back-Channel Logout 1.0 section 2.5). Returns our answer's status. */
  endSession(of: { readonly sub?: string; readonly sid?: string }): Promise<number>;
  /** A JWT of the provider's, signed with its current key; for logout tokens and security events of one's own. */
  sign(claims: JWTPayload, header?: Record<string, unknown>): Promise<string>;
  /** The person is unknown from now on: refreshing says `invalid_grant`, logging in is refused. */
  disable(username: string): void;
  enable(username: string): void;
  close(): Promise<void>;
}

interface SigningKey {
  readonly privateKey: CryptoKey;
  readonly kid: string;
  readonly privateJwk: JWK;
  readonly publicJwk: JWK;
}
type CryptoKey = Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];

const clientId = 'sallyport';

export async function startTestProvider(options: TestProviderOptions): Promise<TestProvider> {
  const { slug = 'default', people, signingAlg = 'ES256' } = options;
  const behaviour: TestProviderBehaviour = {
    amr: ['pwd'],
    acr: null,
    authTimeOffsetSeconds: 0,
    clockSkewSeconds: 0,
    refreshTokens: false,
    claims: null,
    groupsOverage: false,
    lyingAcr: false,
    requireStepUpAcr: null,
    stepUpAmr: ['mfa', 'otp'],
    metadata: {},
    brokenPaths: new Set(),
    ...picked(options),
  };
  const disabled = new Set<string>();
  const personOf = (username: string) =>
    disabled.has(username) ? undefined : people.find((person) => person.username === username);
  const requests: TestProviderRequest[] = [];
  const clientSecret = randomBytes(24).toString('base64url');
  let key = await newKey(signingAlg);
  let away = false;

  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const issuer = `http://127.0.0.1:${port}`;
  server.on('connection', (socket: Socket) => {
    if (away) socket.destroy();
  });

  const sign = async (claims: JWTPayload, header: Record<string, unknown> = {}) =>
    await new SignJWT(claims)
      .setProtectedHeader({ alg: signingAlg, kid: key.kid, ...header })
      .sign(key.privateKey);

  const ownLogoutToken = async (token: string) => await sign(decodeJwt(token), { typ: 'logout+jwt' });
  let logoutToken = ownLogoutToken;

  const policy = interactionPolicy.base();
  policy.get('login')?.checks.add(
    new interactionPolicy.Check('step_up', 'a second factor is needed', 'login_required', (ctx) => {
      const { requireStepUpAcr: wanted } = behaviour;
      const asked = String(ctx.oidc.params?.['acr_values'] ?? '').split(' ');
      const missing = wanted !== null && asked.includes(wanted) && ctx.oidc.acr !== wanted;
      return missing ? interactionPolicy.Check.REQUEST_PROMPT : interactionPolicy.Check.NO_NEED_TO_PROMPT;
    }),
  );
  const Memory = memoryAdapter(() => new Date());
  const configuration: Configuration = {
    adapter: Memory,
    jwks: { keys: [key.privateJwk] } as NonNullable<Configuration['jwks']>,
    enabledJWA: { idTokenSigningAlgValues: [signingAlg] },
    cookies: {
      // Cookies know no ports, and several providers run on this machine.
      names: { session: `idp_${port}`, interaction: `idp_${port}_login`, resume: `idp_${port}_resume` },
      keys: [randomBytes(16).toString('hex')],
    },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username'] },
    conformIdTokenClaims: false,
    scopes: ['openid', 'email', 'profile', 'offline_access', 'groups'],
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: { enabled: true },
      resourceIndicators: { enabled: false },
    },
    interactions: { policy, url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    clientBasedCORS: () => false,
    issueRefreshToken: () => behaviour.refreshTokens,
    rotateRefreshToken: () => true,
    expiresWithSession: () => false,
    findAccount: (_ctx, sub) => {
      const person = personOf(sub);
      return person && { accountId: sub, claims: () => ({ sub, ...profileOf(person) }) };
    },
    ttl: {
      AccessToken: 300,
      AuthorizationCode: 60,
      Grant: 86_400,
      IdToken: 300,
      Interaction: 900,
      RefreshToken: 86_400,
      Session: 86_400,
    },
    // The library's own guard refuses this machine's addresses, which is where we run.
    fetch: async (url, options) => {
      const { method, headers, body } = options as { method?: string; headers?: Headers; body?: unknown };
      return await fetch(url, {
        method: method ?? 'GET',
        headers: headers ?? {},
        body: await withOwnToken(body, (token) => logoutToken(token)),
      });
    },
    renderError: (ctx, out) => {
      ctx.type = 'html';
      ctx.body = `<p data-error="${out.error}">${out.error}</p>`;
    },
  };
  const provider = new Provider(issuer, configuration);
  /** What goes beyond what a correct provider can be configured to do. */
  provider.use(async (ctx, next) => {
    await next();
    const { oidc } = ctx as KoaContextWithOIDC;
    requests.push({
      method: ctx.method,
      path: ctx.path,
      ...(oidc?.route === 'token' ? { grantType: String(oidc.params?.['grant_type']) } : {}),
      status: ctx.status,
    });
    const body = ctx.body as Record<string, unknown> | undefined;
    if (oidc === undefined || typeof body !== 'object' || ctx.status !== 200) return;
    if (oidc.route === 'jwks') ctx.body = { keys: [key.publicJwk] };
    if (oidc.route === 'discovery') ctx.body = { ...body, ...behaviour.metadata };
    const person = personOf(oidc.account?.accountId ?? '');
    if (oidc.route === 'userinfo' && person) ctx.body = { ...body, ...claimsOf(person) };
    if (oidc.route === 'token' && typeof body['id_token'] === 'string' && person) {
      const claims = decodeJwt(body['id_token']);
      ctx.body = { ...body, id_token: await sign(spoken(claims, person, acrOf(oidc))) };
    }
  });
  const claimsOf = (person: TestPerson): Record<string, unknown> => ({
    ...(behaviour.groupsOverage
      ? {
          groups: undefined,
          _claim_names: { groups: 'src1' },
          _claim_sources: { src1: { endpoint: `${issuer}/groups` } },
        }
      : {}),
    ...behaviour.claims?.(person),
  });
  const spoken = (claims: JWTPayload, person: TestPerson, { asked, reached }: ReturnType<typeof acrOf>) => {
    const { amr, acr, authTimeOffsetSeconds: offset, clockSkewSeconds: skew, lyingAcr } = behaviour;
    const steppedUp = reached !== undefined && reached === behaviour.requireStepUpAcr;
    const authTime = claims['auth_time'];
    return {
      ...claims,
      ...profileOf(person),
      amr: steppedUp ? behaviour.stepUpAmr : (amr ?? undefined),
      acr: steppedUp ? reached : lyingAcr ? asked : (acr ?? undefined),
      auth_time: offset === null || typeof authTime !== 'number' ? undefined : authTime + offset,
      iat: (claims.iat ?? 0) + skew,
      exp: (claims.exp ?? 0) + skew,
      ...claimsOf(person),
    };
  };

  const callback = provider.callback();
  server.on('request', (request, response) => {
    const { pathname } = new URL(request.url ?? '/', issuer);
    if (behaviour.brokenPaths.has(pathname)) request.socket.destroy();
    else if (pathname === '/groups') sendGroups(request, response);
    else if (pathname.startsWith('/interaction/')) void loginForm(request, response);
    else void callback(request, response);
  });
  function sendGroups(request: IncomingMessage, response: ServerResponse): void {
    const known = /^Bearer .+/.test(request.headers.authorization ?? '');
    const [person] = people;
    requests.push({ method: request.method ?? '', path: '/groups', status: known ? 200 : 401 });
    response.writeHead(known ? 200 : 401, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ value: known ? (person?.groups ?? []) : [] }));
  }
  async function loginForm(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { params } = await provider.interactionDetails(request, response);
      const username = request.method === 'POST' ? (await formOf(request)).get('login') : null;
      const person = personOf(username ?? '');
      if (!person) {
        response.writeHead(username === null ? 200 : 401, { 'content-type': 'text/html; charset=utf-8' });
        response.end(
          `<!doctype html><title>${slug}</title><form method="post"><h1>Log in at ${slug}</h1>` +
            '<label>Name <input name="login"></label><button type="submit">Log in</button></form>',
        );
        return;
      }
      const asked = String(params['acr_values'] ?? '').split(' ');
      const { requireStepUpAcr: acr } = behaviour;
      const grant = new provider.Grant({ accountId: person.username, clientId });
      grant.addOIDCScope('openid email profile offline_access groups');
      await provider.interactionFinished(request, response, {
        login: {
          accountId: person.username,
          ...(acr !== null && asked.includes(acr) ? { acr } : {}),
          remember: true,
        },
        consent: { grantId: await grant.save() },
      });
    } catch (error) {
      response.writeHead(400).end(String(error));
    }
  }

  const registerAt = async (publicUrl: URL): Promise<void> => {
    const at = (path: string) => new URL(path, publicUrl).href;
    const suffix = slug === 'default' ? '' : `/${slug}`;
    await new Memory('Client').upsert(
      clientId,
      {
        client_id: clientId,
        client_secret: clientSecret,
        client_name: 'Sallyport',
        redirect_uris: [at(`/login/callback${suffix}`)],
        post_logout_redirect_uris: [at('/console/signed-out')],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'client_secret_basic',
        id_token_signed_response_alg: signingAlg,
        require_auth_time: true,
        backchannel_logout_uri: options.backChannelLogout?.href ?? at(`/login/back-channel-logout/${slug}`),
        backchannel_logout_session_required: true,
      } as never,
      86_400,
    );
  };
  if (options.publicUrl) await registerAt(options.publicUrl);

  return {
    slug,
    issuer,
    clientId,
    clientSecret,
    behaviour,
    requests,
    registerAt,
    configured: (change = {}) => ({
      slug,
      settings: { ...settingsOf(slug, issuer), ...change },
      clientSecret,
    }),
    logIn: async (browser, start, username) => {
      const page = start instanceof URL ? await browser.open(start) : start;
      if (page.url.origin !== issuer || !page.text.includes('name="login"')) return page;
      const body = new URLSearchParams({ login: username });
      return await browser.open(page.url, { method: 'POST', body, from: page.url });
    },
    rotateKeys: async () => {
      key = await newKey(signingAlg);
    },
    stop: () => {
      away = true;
      server.closeAllConnections();
    },
    start: () => {
      away = false;
    },
    endSession: async ({ sub, sid }) => {
      const client = await provider.Client.find(clientId);
      if (!client) throw new Error('call registerAt() first');
      logoutToken = async (token) => {
        const { sub: _sub, sid: _sid, ...claims } = decodeJwt(token);
        return await sign(
          { ...claims, ...(sub === undefined ? {} : { sub }), ...(sid === undefined ? {} : { sid }) },
          { typ: 'logout+jwt' },
        );
      };
      try {
        await (client as unknown as LogoutReceiver).backchannelLogout(sub ?? '', sid ?? '');
        return 200;
      } catch (error) {
        const { response } = error as { response?: { status: number } };
        if (response === undefined) throw error;
        return response.status;
      } finally {
        logoutToken = ownLogoutToken;
      }
    },
    sign,
    disable: (username) => {
      disabled.add(username);
    },
    enable: (username) => {
      disabled.delete(username);
    },
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** A provider that says little: accounts by verified e-mail address, groups, no second factor. */
export function settingsOf(slug: string, issuer: string): ProviderSettings {
  return {
    name: `Provider ${slug}`,
    preset: 'generic',
    issuer,
    clientId,
    scopes: ['openid', 'email', 'profile', 'groups'],
    organization: 'acme',
    claims: { account: '{email}', name: 'name', groups: 'groups' },
    trustEmail: false,
    emailDomains: null,
    requiredClaims: {},
    groups: { prefix: '', overage: 'refuse' },
    assurance: {
      amr: { mfa: ['mfa'], otp: ['otp'], hwk: ['hwk'], swk: ['swk'], pwd: ['pwd'] },
      multiFactorAmr: [['mfa'], ['hwk']],
      multiFactorAcr: [],
      stepUp: null,
    },
    upstream: { refresh: 'when-offered' },
    maxAge: true,
  };
}

function picked(options: TestProviderOptions): Partial<TestProviderBehaviour> {
  const {
    slug: _slug,
    people: _people,
    publicUrl: _url,
    backChannelLogout: _to,
    signingAlg: _alg,
    ...rest
  } = options;
  return rest;
}

function profileOf({ username, name = username, email = `${username}@acme.test`, groups = [] }: TestPerson) {
  return { name, email, email_verified: true, preferred_username: username, groups: [...groups] };
}

/** What the login that a token stems from was asked to reach, and what it reached. */
function acrOf(oidc: KoaContextWithOIDC['oidc']): { readonly asked?: string; readonly reached?: string } {
  const { acr, claims } = (oidc.entities['AuthorizationCode'] ?? oidc.entities['RefreshToken'] ?? {}) as {
    acr?: string;
    claims?: { id_token?: { acr?: { values?: string[] } } };
  };
  const asked = claims?.id_token?.acr?.values?.[0];
  return { ...(asked === undefined ? {} : { asked }), ...(acr === undefined ? {} : { reached: acr }) };
}

async function withOwnToken(body: unknown, own: (token: string) => Promise<string>): Promise<string | null> {
  if (body === undefined || body === null) return null;
  const form = new URLSearchParams(String(body));
  const token = form.get('logout_token');
  if (token !== null) form.set('logout_token', await own(token));
  return form.toString();
}

async function formOf(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}

async function newKey(alg: SigningAlg): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const kid = randomBytes(8).toString('hex');
  const more = { kid, alg, use: 'sig' };
  return {
    privateKey,
    kid,
    privateJwk: { ...(await exportJWK(privateKey)), ...more },
    publicJwk: { ...(await exportJWK(publicKey)), ...more },
  };
}
