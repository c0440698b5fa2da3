/** The authorization server in front of the demo identity provider, on real sockets, for tests. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import cookie from '@fastify/cookie';
import fastify from 'fastify';
import { startIdentityProvider } from '../../src/dev/identity-provider.ts';
import { createDemoPeople, type DemoPerson } from '../../src/dev/identity-provider-people.ts';
import { createOrganization } from '../../src/inventory/organization.ts';
import { createIdentityProvider } from '../../src/login/identity-provider.ts';
import {
  type AuthorizationServer,
  type AuthorizationServerOptions,
  createAuthorizationServer,
} from '../../src/oauth/authorization-server.ts';
import { createAuthorizationServerKeys } from '../../src/oauth/keys.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';

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
  /** Results of logins whose purpose is a browser's. */
  readonly browserLogins: unknown[];
  /** Moves the server's clock, not oidc-provider's. */
  advance(seconds: number): void;
  now(): Date;
  close(): Promise<void>;
}

export async function startRunningServer(
  options: Partial<Pick<AuthorizationServerOptions, 'sessionLifetimeSeconds'>> & { publicUrl?: URL } = {},
): Promise<RunningServer> {
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

  const identityProvider = createIdentityProvider({
    issuer: new URL(idp.issuer),
    clientId: 'sallyport',
    clientSecret,
    redirectUri,
    scopes: ['openid', 'email', 'profile'],
    claims: { account: 'email', name: 'name', groups: 'groups' },
    mfaMethods: ['mfa'],
    organizationSlug: 'acme',
    allowInsecureLoopback: true,
    acceptDemo: true,
    clock,
    database,
  });
  const serverErrors: Error[] = [];
  const browserLogins: unknown[] = [];
  const server = await createAuthorizationServer({
    database,
    publicUrl,
    identityProvider,
    ...(await createAuthorizationServerKeys()),
    clock,
    onBrowserLogin: async (result, _request, reply) => {
      browserLogins.push(result);
      return await reply.send('signed in');
    },
    onServerError: (error) => serverErrors.push(error),
    ...(options.sessionLifetimeSeconds ? { sessionLifetimeSeconds: options.sessionLifetimeSeconds } : {}),
  });
  const app = fastify();
  await app.register(cookie);
  server.registerRoutes(app);
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _body, done) => done(null));
    scope.all('/oauth/*', { config: { auth: 'none', purpose: 'test' } }, (request, reply) => {
      reply.hijack();
      server.handler(request.raw, reply.raw);
    });
  });
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
    browserLogins,
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
