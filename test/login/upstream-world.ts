/** A server that people log in to through a real identity provider, as far as sessions and their ends are concerned. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import cookie from '@fastify/cookie';
import fastify from 'fastify';
import type { DatabaseHandle } from '../../src/database/database.ts';
import { openPostgres } from '../../src/database/open-postgres.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { Browser } from '../../src/dev/tour/browser.ts';
import { logoutRoutes } from '../../src/http/logout-routes.ts';
import { securityEventRoutes } from '../../src/http/security-event-routes.ts';
import { setSecurityHeaders } from '../../src/http/security-headers.ts';
import { createIdentityProviders, type IdentityProviders } from '../../src/login/identity-providers.ts';
import { createLoginFlow, type LoginPurposeHandler } from '../../src/login/login-flow.ts';
import { createProvider } from '../../src/login/manage-providers.ts';
import { documentOf, type ProviderSettings } from '../../src/login/provider-settings.ts';
import { startLoginSession } from '../../src/login/start-login-session.ts';
import { createSealer, newSealingKey, type Sealer } from '../../src/secrets/seal.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { createShop, type Shop } from '../inventory/shop.ts';
import { startTestProvider, type TestProvider, type TestProviderOptions } from './test-provider.ts';

export interface UpstreamWorld {
  readonly database: FreshDatabase;
  readonly shop: Shop;
  readonly idp: TestProvider;
  readonly providers: IdentityProviders;
  readonly sealer: Sealer;
  readonly publicUrl: URL;
  readonly now: () => Date;
  advance(seconds: number): void;
  /** Another server process on the same database. */
  replica(): Promise<Replica>;
  /** Logs in and starts a session. What came of it. */
  logIn(username: string, kind: 'helper' | 'browser', browser?: Browser): Promise<LoggedIn>;
  /** Runs before a login's session is started. */
  onLogin: (() => Promise<unknown>) | null;
  post(path: string, body: string, contentType?: string): Promise<Response>;
  close(): Promise<void>;
}

export interface LoggedIn {
  readonly sessionId: string;
  readonly accountId: string;
  /** Of a login that was refused. */
  readonly code?: string;
}

export interface Replica {
  readonly database: DatabaseHandle;
  readonly providers: IdentityProviders;
  readonly sealer: Sealer;
  readonly clock: () => Date;
}

/** A provider of another slug than `default` is one that an admin set up. */
export async function startUpstreamWorld(
  options: Partial<TestProviderOptions> = {},
  change: Partial<ProviderSettings> = {},
): Promise<UpstreamWorld> {
  const database = await freshDatabase();
  const shop = await inTransaction(database.db, (tx) => createShop(tx, new Date(), { domain: 'acme.test' }));
  let handle: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;
  const socket = createServer((request, response) => handle(request, response));
  socket.listen(0, '127.0.0.1');
  await once(socket, 'listening');
  const publicUrl = new URL(`http://127.0.0.1:${(socket.address() as AddressInfo).port}`);
  const people = [
    { username: 'dora', name: 'Dora', groups: ['developers'] },
    { username: 'emil', name: 'Emil', groups: [] },
  ];
  const idp = await startTestProvider({ people, refreshTokens: true, publicUrl, ...options });

  let offset = 0;
  const now = () => new Date(Date.now() + offset);
  const sealer = createSealer([newSealingKey()]);
  const own = idp.configured(change);
  const configured = idp.slug === 'default' ? [own] : [];
  const allowInsecureLoopback = true;
  const providersOn = (on: DatabaseHandle) =>
    createIdentityProviders({
      database: on,
      sealer,
      configured,
      publicUrl,
      clock: now,
      allowInsecureLoopback,
    });
  if (idp.slug !== 'default') {
    const { slug, settings, clientSecret } = own;
    const manager = { organizationId: shop.organizationId, organization: 'acme', by: 'admin@acme.test' };
    const provider = { slug, settings: documentOf(settings), clientSecret, enabled: true };
    await inTransaction(database.db, (tx) =>
      createProvider(tx, { sealer, configured: [] }, manager, provider, now()),
    );
  }
  const providers = providersOn(database);
  const handlers = new Map<string, LoginPurposeHandler>();
  const loginFlow = createLoginFlow({ database, providers, publicUrl, clock: now, sealer, handlers });
  const app = fastify();
  setSecurityHeaders(app, publicUrl);
  await app.register(cookie);
  loginFlow.registerRoutes(app);
  logoutRoutes(app, { database, providers, clock: now });
  securityEventRoutes(app, { database, providers, clock: now });
  app.get<{ Params: { kind: 'helper' | 'browser' } }>('/test/:kind', async (request, reply) => {
    const purpose = { kind: 'test', session: request.params.kind };
    return await loginFlow.begin(request, reply, {
      purpose,
      organization: 'acme',
      demand: { mfa: false, maxAgeSeconds: null, methods: null },
    });
  });
  handlers.set('test', {
    finish: async (login, _request, reply) => {
      await world.onLogin?.();
      const kind = login.purpose['session'] as 'helper' | 'browser';
      const started = { login, kind, clientAddress: null, clientName: null };
      return await reply.send(
        await inTransaction(database.db, (tx) => startLoginSession(tx, { sealer }, started, now())),
      );
    },
    fail: async ({ code }, _purpose, _request, reply) => await reply.code(403).send({ code }),
  });
  await app.ready();
  handle = (request, response) => app.routing(request, response);

  const replicas: DatabaseHandle[] = [];
  const world: UpstreamWorld = {
    database,
    shop,
    idp,
    providers,
    sealer,
    publicUrl,
    now,
    onLogin: null,
    advance: (seconds) => {
      offset += seconds * 1000;
    },
    replica: async () => {
      const other = await openPostgres({ url: String(database.url) });
      replicas.push(other);
      return { database: other, providers: providersOn(other), sealer, clock: now };
    },
    logIn: async (username, kind, browser = new Browser()) => {
      // A login remembers the second it began in; one that begins in that of a logout is refused to be on the safe side.
      offset += 1000;
      const { text } = await idp.logIn(browser, new URL(`/test/${kind}`, publicUrl), username);
      return JSON.parse(text) as LoggedIn;
    },
    post: async (path, body, contentType = 'application/x-www-form-urlencoded') =>
      await fetch(new URL(path, publicUrl), {
        method: 'POST',
        body,
        headers: { 'content-type': contentType },
      }),
    close: async () => {
      for (const replica of replicas) await replica.close();
      await app.close();
      socket.close();
      socket.closeAllConnections();
      await idp.close();
      await database.close();
    },
  };
  return world;
}
