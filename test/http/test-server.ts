/** The HTTP application on a fresh database, with one organization, its people and a gateway. */
import { randomBytes } from 'node:crypto';
import type { FastifyInstance, LightMyRequestResponse } from 'fastify';
import { accountForIdentity } from '../../src/accounts/account-for-identity.ts';
import { enrolmentMessage } from '../../src/api/companions.ts';
import { type CertificateAuthority, createCertificateAuthority } from '../../src/ca/certificate-authority.ts';
import type { Signer } from '../../src/ca/signer.ts';
import { consolePlugin } from '../../src/console/console-plugin.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { SallyportError } from '../../src/errors/sallyport-error.ts';
import { createFeed, type Feed } from '../../src/feed/feed.ts';
import type { AppParts } from '../../src/http/app-parts.ts';
import type { ConnectionLimits } from '../../src/http/connection-limits.ts';
import { createApp } from '../../src/http/create-app.ts';
import { createAccessRule } from '../../src/inventory/access-rules.ts';
import { createEnrolmentToken } from '../../src/inventory/enrolment.ts';
import type { IdentityProvider } from '../../src/login/identity-provider.ts';
import type { IdentityProviders } from '../../src/login/identity-providers.ts';
import { createLoginFlow } from '../../src/login/login-flow.ts';
import type { ProvenLogin } from '../../src/login/login-purpose.ts';
import type { PresentedToken } from '../../src/oauth/access-token.ts';
import type { Role } from '../../src/policy/facts.ts';
import { createSealer, newSealingKey } from '../../src/secrets/seal.ts';
import { tokenHash } from '../../src/secrets/token.ts';
import { lockLiveSession } from '../../src/sessions/lock-live-session.ts';
import { type GeneratedKey, generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { signSshsig } from '../../src/ssh/sshsig.ts';
import { heldInMemory, memorySigner } from '../ca/sample-authority.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { createShop, issuer, type Shop } from '../inventory/shop.ts';
import { settingsOf } from '../login/test-provider.ts';
import { startedSession } from '../sessions/login.ts';

export interface TestServer {
  readonly app: FastifyInstance;
  readonly database: FreshDatabase;
  readonly authority: CertificateAuthority;
  readonly feed: Feed;
  readonly shop: Shop;
  readonly publicUrl: URL;
  readonly clock: { now: Date };
  /** Lines of the log, parsed. */
  readonly log: Record<string, unknown>[];
  /** What the authorization server was asked. */
  readonly presented: PresentedToken[];
  /** Of the user CA and of the host CA. */
  readonly caKeys: readonly GeneratedKey[];
  /** For changing CA keys, and for another server on the same database. */
  readonly held: ReturnType<typeof heldInMemory>;
  person(
    name: string,
    role: Role | null,
    more?: { groups?: string[]; domain?: string; organization?: string },
  ): Promise<TestPerson>;
  call(method: 'GET' | 'POST' | 'PUT' | 'PATCH', url: string, more?: Call): Promise<LightMyRequestResponse>;
  /** Enrols the shop's gateway and returns its credential. */
  enrol(companionId?: string): Promise<string>;
  close(): Promise<void>;
}

export interface Call {
  readonly as?: TestPerson;
  readonly credential?: string;
  readonly cookie?: string;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

export interface TestPerson {
  readonly account: string;
  readonly accountId: string;
  readonly sessionId: string;
  /** Value of the Cookie header of a browser session. */
  readonly cookie: string;
  readonly browserSessionId: string;
}

export interface TestServerOptions {
  readonly publicUrl?: string;
  readonly trustedProxies?: readonly string[];
  readonly connectionLimits?: Partial<ConnectionLimits>;
  /** Machines on the feed at the same time. */
  readonly mostSubscriptions?: number;
  /** What the user CA signs with, if not a key in memory. */
  readonly userSigner?: Signer;
}

export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const database = await freshDatabase();
  const publicUrl = new URL(options.publicUrl ?? 'https://ssh.example.com');
  const clock = { now: new Date() };
  const log: Record<string, unknown>[] = [];
  const presented: PresentedToken[] = [];
  const now = () => clock.now;
  const [userKey, hostKey] = [generateEd25519(), generateEd25519()];
  const held = heldInMemory({
    user: options.userSigner ?? memorySigner(userKey),
    host: memorySigner(hostKey),
  });
  const authority = await createCertificateAuthority({
    database,
    ...held,
    domain: publicUrl.hostname,
    clock: now,
  });
  const feed = await createFeed({
    database,
    authority,
    publicUrl,
    clock: now,
    ...(options.mostSubscriptions === undefined ? {} : { mostSubscriptions: options.mostSubscriptions }),
    onError: (error, companionId) => log.push({ feed: companionId, error: String(error) }),
  });
  const sealer = createSealer([newSealingKey()]);
  const loginHandlers: AppParts['loginHandlers'] = new Map();
  const flow = { database, providers: oneProvider, publicUrl, clock: now, sealer };
  const logins = {
    providers: oneProvider,
    configuredProviders: [{ slug: provider.slug, settings: provider.settings }],
    loginHandlers,
    loginFlow: createLoginFlow({ ...flow, handlers: loginHandlers }),
    sealer,
  };
  const app = await createApp({
    ...logins,
    database,
    authority,
    feed,
    publicUrl,
    allowedHosts: [publicUrl.host],
    operators: ['olga@example.com'],
    keyFiles: held,
    ...(options.trustedProxies ? { trustedProxies: options.trustedProxies } : {}),
    ...(options.connectionLimits ? { connectionLimits: options.connectionLimits } : {}),
    clock: now,
    logger: { level: 'debug', stream: { write: (line) => log.push(JSON.parse(line)) } },
    version: '0.0.0-test',
    authorizationServer: {
      handler: (request, response) => {
        // Reads the body itself, as the real one does.
        request.toArray().then((chunks) => response.end(`${request.url} ${Buffer.concat(chunks)}`));
      },
      registerRoutes: () => {},
      authenticate: async (request) => {
        presented.push(request);
        const [, sessionId = ''] = /^DPoP (.*)$/.exec(request.authorization ?? '') ?? [];
        if (!sessionId) throw new SallyportError('token_invalid', 'The token is not valid. Run: sally login');
        const session = await inTransaction(database.db, (tx) =>
          lockLiveSession(tx, sessionId, 'share', now()),
        );
        return { sessionId, accountId: session.accountId };
      },
      proofNonce: () => 'a nonce',
    },
  });
  await app.register(consolePlugin, { ...logins, database, feed, publicUrl, clock: now });
  app.get(
    '/test/sign-in',
    { config: { auth: 'none', purpose: 'stands in for the identity provider' } },
    async (request, reply) => {
      const { name, return_to } = request.query as { name: string; return_to?: string };
      const { authTime, ...person } = { ...identity(name, 'example.com', 'acme', []), authTime: clock.now };
      const login: ProvenLogin = {
        ...person,
        authTime,
        provider: { slug: 'default', name: 'Example' },
        amr: ['pwd'],
        acr: null,
        mfa: false,
        mfaBy: null,
        mfaMethods: [],
        mfaTime: null,
        upstreamSid: null,
        refreshToken: null,
        startedAt: clock.now,
        purpose: { kind: 'browser', returnTo: return_to },
      };
      return await loginHandlers.get('browser')?.finish(login, request, reply);
    },
  );
  await app.ready();
  const shop = await inTransaction(database.db, (tx) => createShop(tx, clock.now));
  const cookieName = publicUrl.protocol === 'https:' ? '__Host-sallyport-session' : 'sallyport-session';

  const server: TestServer = {
    app,
    database,
    authority,
    feed,
    shop,
    publicUrl,
    clock,
    log,
    presented,
    caKeys: [userKey, hostKey],
    held,
    async person(name, role, { groups = [], domain = 'example.com', organization = 'acme' } = {}) {
      return await inTransaction(database.db, async (tx) => {
        const account = await accountForIdentity(tx, identity(name, domain, organization, groups), clock.now);
        const { accountId, organizationId } = account;
        if (role) await createAccessRule(tx, { organizationId, subject: { accountId }, role });
        const sessionId = await startedSession(tx, accountId, clock.now);
        const secret = `console_${randomBytes(32).toString('base64url')}`;
        const browserSessionId = await startedSession(tx, accountId, clock.now, {
          kind: 'browser',
          cookieHash: tokenHash(secret),
        });
        const cookie = `${cookieName}=${secret}`;
        return { account: account.name, accountId, sessionId, cookie, browserSessionId };
      });
    },
    async call(method, url, { as, credential, cookie, headers = {}, body } = {}) {
      return await app.inject({
        method,
        url,
        headers: {
          host: publicUrl.host,
          ...(as ? { authorization: `DPoP ${as.sessionId}`, dpop: 'proof' } : {}),
          ...(credential ? { authorization: `Bearer ${credential}` } : {}),
          ...(cookie ? { cookie } : {}),
          ...(body !== undefined ? { 'content-type': 'application/json' } : {}),
          ...headers,
        },
        ...(body === undefined ? {} : { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
    },
    async enrol(companionId = shop.gatewayId) {
      const token = await inTransaction(database.db, (tx) =>
        createEnrolmentToken(tx, companionId, { now: clock.now, lifetimeSeconds: 600 }),
      );
      const reply = await server.call('POST', '/v1/companions/enrol', {
        body: await enrolmentBody(token, publicUrl.hostname),
      });
      if (reply.statusCode !== 200) throw new Error(reply.body);
      return reply.json().credential;
    },
    async close() {
      await feed.close();
      await app.close();
      await authority.close();
      await database.close();
    },
  };
  return server;
}

/** An identity provider to which people are sent, and from which nobody comes back. */
const provider: IdentityProvider = {
  slug: 'default',
  name: 'Example',
  issuer,
  organizationSlug: 'acme',
  settings: settingsOf('default', issuer),
  canStepUp: false,
  discover: async () => {},
  startLogin: async ({ purpose }) =>
    new URL(`https://login.example.com/authorize?purpose=${encodeURIComponent(JSON.stringify(purpose))}`),
  finishLogin: async () => nobodyComes(),
  refresh: async () => nobodyComes(),
  verifyToken: async () => nobodyComes(),
  endSessionUrl: async () => null,
};
const oneProvider: IdentityProviders = {
  list: async () => [provider],
  get: async (slug) => {
    if (slug === provider.slug) return provider;
    // One that an admin set up answers as little.
    if (slug === 'theirs') return { ...provider, slug, organizationSlug: 'acme', discover: nobodyComes };
    throw new SallyportError('not_found', 'There is no such identity provider here, or it is switched off.');
  },
};

function nobodyComes(): never {
  throw new SallyportError('login_provider_error', 'The identity provider does not answer.');
}

export async function enrolmentBody(token: string, domain: string, key = generateEd25519()) {
  return {
    token,
    host_public_key: publicKeyLine({ type: 'ssh-ed25519', blob: key.publicKeyBlob, comment: 'host' }),
    signature: await signSshsig({
      message: enrolmentMessage(token),
      namespace: `enrol@${domain}`,
      publicKeyBlob: key.publicKeyBlob,
      sign: (bytes) => signWithKey(key.privateKey, bytes),
    }),
  };
}

function identity(name: string, domain: string, organizationSlug: string, groups: string[]) {
  return {
    issuer,
    subject: `${name} at ${domain}`,
    accountName: `${name}@${domain}`,
    displayName: name,
    groups,
    organizationSlug,
  };
}
