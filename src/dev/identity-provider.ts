/**
 * An OpenID Connect identity provider for the demo and for tests, on an origin of its own. A real one in every respect
 * but two: it keeps everything in memory, and its login page shows the demo people's one-time codes.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair } from 'jose';
import Provider, { type Configuration, type JWKS } from 'oidc-provider';
import { SallyportError } from '../errors/sallyport-error.ts';
import { demoMark } from '../login/discovery.ts';
import { createLoginCheck, type LoginCheck, type LoginForm } from './identity-provider-login.ts';
import { memoryAdapter } from './identity-provider-memory.ts';
import { contentSecurityPolicy, errorPage, loginPage, styles } from './identity-provider-pages.ts';
import type { DemoPerson } from './identity-provider-people.ts';

export interface IdentityProviderClient {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly redirectUris: readonly string[];
}

export interface IdentityProviderOptions {
  /** 0: a free one. */
  readonly port: number;
  readonly host: '127.0.0.1';
  readonly clients: readonly IdentityProviderClient[];
  readonly people: readonly DemoPerson[];
  /** Private signing keys; absent: a new ES256 key. */
  readonly jwks?: JWKS;
  readonly clock: () => Date;
}

export interface RunningIdentityProvider {
  readonly issuer: string;
  close(): Promise<void>;
}

const bodyLimitBytes = 8 * 1024;
const tokenSeconds = 300;
const interactionSeconds = 900;

/** @throws in_use if the port is taken */
export async function startIdentityProvider(
  options: IdentityProviderOptions,
): Promise<RunningIdentityProvider> {
  const server = createServer();
  await listen(server, options.port, options.host);
  const host = `${options.host}:${(server.address() as AddressInfo).port}`;
  const issuer = `http://${host}`;

  const provider = new Provider(issuer, await configuration(options));
  provider.on('server_error', (_ctx, error) => {
    process.stderr.write(`identity provider: ${error.stack ?? error.message}\n`);
  });
  const pages = new LoginPages(provider, issuer, options);
  const callback = provider.callback();
  server.on('request', (request, response) => {
    // Nothing of an earlier login is remembered in the browser: everybody who comes here logs in.
    dropCookie(request, sessionCookie);
    void pages.answer(request, response).then((answered) => {
      if (!answered) void callback(request, response);
    });
  });
  return {
    issuer,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function listen(server: ReturnType<typeof createServer>, port: number, host: string): Promise<void> {
  server.listen(port, host);
  await once(server, 'listening').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') throw error;
    throw new SallyportError(
      'in_use',
      `The identity provider's address ${host}:${port} is in use. Stop what uses it, or choose another port.`,
    );
  });
}

const sessionCookie = 'demo_idp_session';

async function configuration({
  clients,
  people,
  jwks,
  clock,
}: IdentityProviderOptions): Promise<Configuration> {
  const byName = new Map(people.map((person) => [person.username, person]));
  return {
    adapter: memoryAdapter(clock),
    clients: clients.map(({ clientId, clientSecret, redirectUris }) => ({
      client_id: clientId,
      client_secret: clientSecret,
      client_name: 'Sallyport',
      redirect_uris: [...redirectUris],
      grant_types: ['authorization_code'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
      id_token_signed_response_alg: 'ES256',
      require_auth_time: true,
    })),
    jwks: jwks ?? { keys: [await newSigningKey()] },
    cookies: {
      names: { session: sessionCookie, interaction: 'demo_idp_login', resume: 'demo_idp_resume' },
      keys: [randomBytes(32).toString('base64url')],
    },
    claims: {
      openid: ['sub', 'name', 'email', 'email_verified', 'preferred_username', 'groups', 'amr', 'auth_time'],
      profile: ['name', 'preferred_username'],
      email: ['email', 'email_verified'],
      groups: ['groups'],
    },
    conformIdTokenClaims: false,
    discovery: { [demoMark]: true },
    pkce: { required: () => true },
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      resourceIndicators: { enabled: false },
    },
    interactions: { url: (_ctx, interaction) => `/login/${interaction.uid}` },
    clientBasedCORS: () => false,
    findAccount: (_ctx, sub) => {
      const person = byName.get(sub);
      if (person === undefined) return undefined;
      const { name, email, username, groups } = person;
      const claims = { sub, name, email, email_verified: true, preferred_username: username };
      return { accountId: sub, claims: () => ({ ...claims, groups: [...groups] }) };
    },
    ttl: {
      AccessToken: tokenSeconds,
      AuthorizationCode: 60,
      Grant: interactionSeconds,
      IdToken: tokenSeconds,
      Interaction: interactionSeconds,
      Session: interactionSeconds,
    },
    renderError: (ctx, out) => {
      for (const [name, value] of Object.entries(pageHeaders)) ctx.set(name, value);
      ctx.type = 'html';
      ctx.body = errorPage('That did not work', `${out.error}: ${out.error_description ?? 'no details'}`);
    },
  };
}

async function newSigningKey() {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  return { ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: 'demo' };
}

/** Same-origin, not no-referrer: with the latter browsers send `Origin: null` even to the page's own origin. */
const pageHeaders = {
  'cache-control': 'no-store',
  'content-security-policy': contentSecurityPolicy,
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
};

/** The requests that oidc-provider leaves to us: the login page, its form, its style sheet. */
class LoginPages {
  readonly #provider: Provider;
  readonly #issuer: string;
  readonly #host: string;
  readonly #options: IdentityProviderOptions;
  readonly #check: LoginCheck;

  constructor(provider: Provider, issuer: string, options: IdentityProviderOptions) {
    this.#provider = provider;
    this.#issuer = issuer;
    this.#host = new URL(issuer).host;
    this.#options = options;
    this.#check = createLoginCheck(options.people, options.clock);
  }

  /** Whether the request was ours; it is answered then, whatever happens. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    if (request.headers.host !== this.#host) {
      send(response, 421, errorPage('Not served here', `Open ${this.#issuer} instead.`));
      return true;
    }
    // Text only: `//` is a request target that anybody may send, and no URL.
    const [pathname = ''] = (request.url ?? '').split('?');
    if (pathname === styles.path) {
      response.writeHead(200, {
        'content-type': 'text/css; charset=utf-8',
        'cache-control': 'public, max-age=31536000, immutable',
      });
      response.end(styles.text);
      return true;
    }
    const uid = /^\/login\/([A-Za-z0-9_-]{1,64})$/.exec(pathname)?.[1];
    if (uid === undefined) return false;
    try {
      if (request.method === 'POST') await this.#submit(request, response, uid);
      else await this.#show(request, response, uid, { username: '', problem: null, status: 200 });
    } catch (error) {
      const known = (error as { statusCode?: number }).statusCode === 400;
      if (!known) process.stderr.write(`identity provider: ${(error as Error).stack}\n`);
      const text = known
        ? 'This login has expired or was started in another browser. Go back to where you came from and start again.'
        : 'Something went wrong here. Start the login again.';
      send(response, known ? 400 : 500, errorPage('This login can not go on', text));
    }
    return true;
  }

  async #show(
    request: IncomingMessage,
    response: ServerResponse,
    uid: string,
    { username, problem, status }: { username: string; problem: string | null; status: number },
  ): Promise<void> {
    const client = await this.#provider.Client.find(
      (await this.#interaction(request, response, uid)).clientId,
    );
    const { people } = this.#options;
    const page = loginPage({
      action: `/login/${uid}`,
      service: client?.clientName ?? 'a service',
      username,
      problem,
      people,
      codes: this.#check.currentCodes(),
    });
    send(response, status, page);
  }

  async #submit(request: IncomingMessage, response: ServerResponse, uid: string): Promise<void> {
    const site = request.headers['sec-fetch-site'];
    if (request.headers.origin !== this.#issuer || (site !== undefined && site !== 'same-origin')) {
      const text = 'The login form was sent from another site, so it is not accepted.';
      send(response, 403, errorPage('Not accepted', text));
      return;
    }
    const { clientId, scope } = await this.#interaction(request, response, uid);
    const form = await readForm(request);
    if (form === undefined) {
      send(response, 400, errorPage('Not accepted', 'The form is too large or not a form.'));
      return;
    }
    const verdict = await this.#check.check(form);
    if (!verdict.accepted) {
      const username = form.username.slice(0, 64);
      await this.#show(request, response, uid, { username, problem: verdict.message, status: 401 });
      return;
    }
    const accountId = verdict.person.username;
    const grant = new this.#provider.Grant({ accountId, clientId });
    grant.addOIDCScope(scope);
    const ts = Math.floor(this.#options.clock().getTime() / 1000);
    await this.#provider.interactionFinished(request, response, {
      login: { accountId, amr: [...verdict.amr], ts, remember: false },
      consent: { grantId: await grant.save() },
    });
  }

  /** The login under way in this browser. Throws oidc-provider's SessionNotFound if there is none, or another. */
  async #interaction(request: IncomingMessage, response: ServerResponse, uid: string) {
    const interaction = await this.#provider.interactionDetails(request, response);
    if (interaction.uid !== uid) throw Object.assign(new Error('another login'), { statusCode: 400 });
    const { client_id: clientId, scope } = interaction.params;
    return { clientId: String(clientId), scope: String(scope) };
  }
}

/** undefined if the body is too large or of another type. */
async function readForm(request: IncomingMessage): Promise<LoginForm | undefined> {
  if (!/^application\/x-www-form-urlencoded(;|$)/i.test(request.headers['content-type'] ?? ''))
    return undefined;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bodyLimitBytes) return undefined;
    chunks.push(chunk);
  }
  const fields = new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
  const field = (name: string) => fields.get(name) ?? '';
  return { username: field('username'), password: field('password'), otp: field('otp') };
}

function send(response: ServerResponse, status: number, page: string): void {
  response.writeHead(status, { ...pageHeaders, 'content-type': 'text/html; charset=utf-8' });
  response.end(page);
}

function dropCookie(request: IncomingMessage, name: string): void {
  const kept = request.headers.cookie?.split(/;\s*/).filter((pair) => !pair.startsWith(`${name}=`));
  if (kept !== undefined) request.headers.cookie = kept.join('; ');
}
