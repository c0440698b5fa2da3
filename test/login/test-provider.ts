/**
 * A real OpenID Connect provider (oidc-provider) as somebody else would run it: single sign-on that is remembered in the
 * browser, a plain login form that asks for a name only, and switches for what providers do differently or wrong. What
 * it says in its tokens can be changed while it runs (`behaviour`).
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { decodeJwt, type JWTPayload } from 'jose';
import Provider, { type KoaContextWithOIDC } from 'oidc-provider';
import { memoryAdapter } from '../../src/dev/identity-provider-memory.ts';
import type { Browser, VisitedPage } from '../../src/dev/tour/browser.ts';
import type { ProviderSettings } from '../../src/login/provider-settings.ts';
import {
  acrOf,
  behaviourOf,
  clientId,
  differingClaims,
  settingsOf,
  spokenClaims,
  type TestPerson,
  type TestProviderBehaviour,
  type TestProviderOptions,
} from './test-provider-behaviour.ts';
import { clientMetadata, configurationOf } from './test-provider-configuration.ts';
import { createSigningKey } from './test-provider-key.ts';

export { settingsOf, type TestPerson, type TestProviderOptions };

/** What oidc-provider's client does without saying so in its types. */
interface LogoutReceiver {
  backchannelLogout(sub: string, sid: string): Promise<void>;
}

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

export async function startTestProvider(options: TestProviderOptions): Promise<TestProvider> {
  const { slug = 'default', people, signingAlg = 'ES256' } = options;
  const behaviour = behaviourOf(options);
  const disabled = new Set<string>();
  const personOf = (username: string) =>
    disabled.has(username) ? undefined : people.find((person) => person.username === username);
  const requests: TestProviderRequest[] = [];
  const clientSecret = randomBytes(24).toString('base64url');
  const key = await createSigningKey(signingAlg);
  const { sign } = key;
  let away = false;

  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const issuer = `http://127.0.0.1:${port}`;
  server.on('connection', (socket: Socket) => {
    if (away) socket.destroy();
  });

  const ownLogoutToken = async (token: string) => await sign(decodeJwt(token), { typ: 'logout+jwt' });
  let logoutToken = ownLogoutToken;

  const Memory = memoryAdapter(() => new Date());
  const configuration = configurationOf({
    behaviour,
    adapter: Memory,
    port,
    signingAlg,
    privateJwk: key.privateJwk,
    personOf,
    logoutToken: (token) => logoutToken(token),
  });
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
    if (oidc.route === 'jwks') ctx.body = { keys: [key.publicJwk()] };
    if (oidc.route === 'discovery') ctx.body = { ...body, ...behaviour.metadata };
    const person = personOf(oidc.account?.accountId ?? '');
    if (oidc.route === 'userinfo' && person) {
      ctx.body = { ...body, ...differingClaims(behaviour, issuer, person) };
    }
    if (oidc.route === 'token' && typeof body['id_token'] === 'string' && person) {
      const claims = decodeJwt(body['id_token']);
      ctx.body = { ...body, id_token: await sign(spokenClaims(behaviour, claims, person, acrOf(oidc))) };
    }
  });
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
    const { backChannelLogout } = options;
    const client = clientMetadata({ slug, clientSecret, publicUrl, signingAlg, backChannelLogout });
    await new Memory('Client').upsert(clientId, client as never, 86_400);
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
    rotateKeys: () => key.rotate(),
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

async function formOf(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}
