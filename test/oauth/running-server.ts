/** The authorization server in front of the demo identity provider, on real sockets, for tests. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import cookie from '@fastify/cookie';
import fastify, { LogController } from 'fastify';
import { createTokenIssuers } from '../../src/credentials/token-issuers.ts';
import { demoProvider } from '../../src/dev/demo-provider.ts';
import { startIdentityProvider } from '../../src/dev/identity-provider.ts';
import { createDemoPeople, type DemoPerson } from '../../src/dev/identity-provider-people.ts';
import { assetRoutes } from '../../src/http/asset-routes.ts';
import { mountAuthorizationServer } from '../../src/http/mount-authorization-server.ts';
import { loggerOptions, logRequests } from '../../src/http/request-log.ts';
import { refuseCrossSiteRequests } from '../../src/http/same-site.ts';
import { createOrganization } from '../../src/inventory/organization.ts';
import type { ConfiguredProvider } from '../../src/login/configured-providers.ts';
import { createIdentityProviders } from '../../src/login/identity-providers.ts';
import { createLoginFlow, type LoginPurposeHandler } from '../../src/login/login-flow.ts';
import { type AuthorizationServer, createAuthorizationServer } from '../../src/oauth/authorization-server.ts';
import { createAuthorizationServerKeys } from '../../src/oauth/keys.ts';
import { createProofNonces } from '../../src/oauth/proof-nonces.ts';
import { createGuardedFetch } from '../../src/outbound/guarded-fetch.ts';
import { createSealer, newSealingKey } from '../../src/secrets/seal.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import type { TestProvider } from '../login/test-provider.ts';

export interface RunningServer {
  readonly publicUrl: URL;
  readonly issuer: string;
  /** Where it really listens, whatever the public URL says. */
  readonly address: string;
  readonly database: FreshDatabase;
  readonly server: AuthorizationServer;
  readonly people: Readonly<Record<'alice' | 'bob' | 'carol', DemoPerson>>;
  readonly clientSecret: string;
  /** What oidc-provider called a server error; a test that expects none looks here. */
  readonly serverErrors: Error[];
  /** Lines of the log, as text. */
  readonly log: string[];
  /** Results of logins whose purpose is a browser's. */
  readonly browserLogins: unknown[];
  /** The nonce of DPoP proofs that is given out at a time; default: by oidc-provider's clock, which does not move. */
  nonce(at?: Date): string;
  /** Moves the server's clock to where windows of this length begin, so that what is counted is counted in one. */
  startOfWindow(seconds: number): void;
  /** Moves the server's clock, not oidc-provider's. */
  advance(seconds: number): void;
  now(): Date;
  close(): Promise<void>;
}

export interface RunningServerOptions {
  readonly publicUrl?: URL;
  /** Identity providers beside the demo's. */
  readonly providers?: readonly TestProvider[];
}

/** Believes X-Forwarded-For of everybody, so that tests can be anywhere. */
export async function startRunningServer(options: RunningServerOptions = {}): Promise<RunningServer> {
  const database = await freshDatabase();
  await database.db
    .transaction()
    .execute((tx) => createOrganization(tx, { slug: 'acme', name: 'Acme', domains: ['acme.test'] }));
  let handle: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;
  const socket = createServer((request, response) => handle(request, response));
  socket.listen(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address() as AddressInfo;
  const publicUrl = options.publicUrl ?? new URL(`http://localhost:${port}`);

  let offset = 0;
  const clock = () => new Date(Date.now() + offset);
  const people = createDemoPeople();
  const redirectUri = new URL('/login/callback', publicUrl);
  const clientSecret = 'a secret of the test';
  const clients = [{ clientId: 'sallyport', clientSecret, redirectUris: [redirectUri.href] }];
  const idp = await startIdentityProvider({
    port: 0,
    host: '127.0.0.1',
    clients,
    people,
    clock,
  });

  const sealer = createSealer([newSealingKey()]);
  const others = await Promise.all(
    (options.providers ?? []).map(async (provider): Promise<ConfiguredProvider> => {
      await provider.registerAt(publicUrl);
      return provider.configured();
    }),
  );
  const providers = createIdentityProviders({
    database,
    sealer,
    publicUrl,
    clock,
    configured: [demoProvider(idp.issuer, { clientId: 'sallyport', clientSecret }), ...others],
    acceptDemo: true,
  });
  const serverErrors: Error[] = [];
  const browserLogins: unknown[] = [];
  const loginHandlers = new Map<string, LoginPurposeHandler>();
  const loginFlow = createLoginFlow({
    database,
    providers,
    publicUrl,
    clock,
    sealer,
    handlers: loginHandlers,
  });
  loginHandlers.set('browser', {
    finish: async (login, _request, reply) => {
      browserLogins.push(login);
      return await reply.send('signed in');
    },
  });
  const server = await createAuthorizationServer({
    database,
    publicUrl,
    providers,
    loginFlow,
    loginHandlers,
    tokenIssuers: createTokenIssuers(createGuardedFetch({ allowInsecureLoopback: true }), clock),
    sealer,
    ...(await createAuthorizationServerKeys()),
    clock,
    onServerError: (error) => serverErrors.push(error),
  });
  const log: string[] = [];
  const app = fastify({
    trustProxy: true,
    logger: loggerOptions({ level: 'debug', stream: { write: (line) => log.push(line) } }),
    logController: new LogController({ disableRequestLogging: true }),
  });
  logRequests(app);
  await app.register(cookie);
  refuseCrossSiteRequests(app, publicUrl);
  assetRoutes(app);
  loginFlow.registerRoutes(app);
  await mountAuthorizationServer(app, { authorizationServer: server });
  await app.ready();
  handle = (request, response) => app.routing(request, response);
  const [alice, bob, carol] = people as [DemoPerson, DemoPerson, DemoPerson];
  return {
    publicUrl,
    issuer: `${publicUrl.origin}/oauth`,
    address: `http://127.0.0.1:${port}`,
    database,
    server,
    people: { alice, bob, carol },
    clientSecret,
    serverErrors,
    log,
    browserLogins,
    nonce: (at = new Date()) => createProofNonces(sealer.derive('dpop nonces')).current(at),
    startOfWindow: (seconds) => {
      offset += seconds * 1000 - (clock().getTime() % (seconds * 1000));
    },
    advance: (seconds) => {
      offset += seconds * 1000;
    },
    now: clock,
    close: async () => {
      const closed = once(socket, 'close');
      socket.close();
      socket.closeAllConnections();
      await closed;
      await app.close();
      await idp.close();
      await database.close();
    },
  };
}
