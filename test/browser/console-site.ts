/** The whole server on a real socket, signed in to through the demo identity provider. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { accountForIdentity } from '../../src/accounts/account-for-identity.ts';
import { createCertificateAuthority } from '../../src/ca/certificate-authority.ts';
import { consolePlugin } from '../../src/console/console-plugin.ts';
import { signInBrowser } from '../../src/console/sign-in-browser.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { startIdentityProvider } from '../../src/dev/identity-provider.ts';
import { createDemoPeople, type DemoPerson } from '../../src/dev/identity-provider-people.ts';
import { createFeed, type Feed } from '../../src/feed/feed.ts';
import { createApp } from '../../src/http/create-app.ts';
import { createAccessRule } from '../../src/inventory/access-rules.ts';
import { completeEnrolment } from '../../src/inventory/enrolment.ts';
import { createIdentityProvider } from '../../src/login/identity-provider.ts';
import { createAuthorizationServer } from '../../src/oauth/authorization-server.ts';
import { createAuthorizationServerKeys } from '../../src/oauth/keys.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { heldInMemory, memorySigner } from '../ca/sample-authority.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { createShop, type Shop } from '../inventory/shop.ts';
import { startedSession } from '../sessions/login.ts';

export interface ConsoleSite {
  readonly publicUrl: URL;
  readonly people: Readonly<Record<'alice' | 'bob' | 'carol', DemoPerson>>;
  readonly shop: Shop;
  readonly feed: Feed;
  readonly database: FreshDatabase;
  /** A session of sally of that person. */
  helperSession(person: DemoPerson, clientName: string): Promise<string>;
  close(): Promise<void>;
}

/** alice is an admin by her group; the gateway is enrolled. */
export async function startConsoleSite(): Promise<ConsoleSite> {
  const database = await freshDatabase();
  let handle: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;
  const socket = createServer((request, response) => handle(request, response));
  socket.listen(0, '127.0.0.1');
  await once(socket, 'listening');
  const publicUrl = new URL(`http://localhost:${(socket.address() as AddressInfo).port}`);
  const clock = () => new Date();
  const shop = await inTransaction(database.db, async (tx) => {
    const made = await createShop(tx, clock(), { domain: 'acme.test' });
    const { organizationId, gatewayId } = made;
    await createAccessRule(tx, { organizationId, subject: { group: 'admins' }, role: 'admin' });
    const enrolment = { hostKey: generateEd25519().publicKeyBlob, credentialHash: Buffer.alloc(32, 1) };
    await completeEnrolment(tx, gatewayId, enrolment, clock());
    return made;
  });
  // The shop's own alice has another identity; the demo's is to have her name.
  await database.db.updateTable('accounts').set({ name: 'someone@acme.test' }).execute();

  const people = createDemoPeople();
  const redirectUri = new URL('/login/callback', publicUrl);
  const clientSecret = 'a secret of the test';
  const clients = [{ clientId: 'sallyport', clientSecret, redirectUris: [redirectUri.href] }];
  const idp = await startIdentityProvider({ port: 0, host: '127.0.0.1', clients, people, clock });
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
  const domain = publicUrl.hostname;
  const held = heldInMemory({ user: memorySigner(), host: memorySigner() });
  const authority = await createCertificateAuthority({
    database,
    ...held,
    domain,
    clock,
  });
  const feed = await createFeed({
    database,
    authority,
    publicUrl,
    clock,
    onError: (error) => {
      throw error;
    },
  });
  const authorizationServer = await createAuthorizationServer({
    database,
    publicUrl,
    identityProvider,
    ...(await createAuthorizationServerKeys()),
    clock,
    onBrowserLogin: (login, request, reply) =>
      signInBrowser({ database, publicUrl, clock }, login, request, reply),
    onServerError: (error) => {
      throw error;
    },
  });
  const app = await createApp({
    database,
    authority,
    authorizationServer,
    feed,
    publicUrl,
    allowedHosts: [publicUrl.host],
    keyFiles: held,
    clock,
    logger: { level: 'silent' },
    version: '0.0.0-test',
  });
  await app.register(consolePlugin, { database, feed, identityProvider, publicUrl, clock });
  await app.ready();
  handle = (request, response) => app.routing(request, response);

  const [alice, bob, carol] = people as [DemoPerson, DemoPerson, DemoPerson];
  return {
    publicUrl,
    people: { alice, bob, carol },
    shop,
    feed,
    database,
    async helperSession({ username, name, email, groups }, clientName) {
      return await inTransaction(database.db, async (tx) => {
        const identity = {
          issuer: idp.issuer,
          subject: username,
          accountName: email,
          displayName: name,
          groups,
        };
        const { accountId } = await accountForIdentity(
          tx,
          { ...identity, organizationSlug: 'acme' },
          clock(),
        );
        return await startedSession(tx, accountId, clock(), { issuer: idp.issuer, clientName });
      });
    },
    async close() {
      const closed = once(socket, 'close');
      socket.close();
      socket.closeAllConnections();
      await closed;
      await feed.close();
      await app.close();
      await idp.close();
      await database.close();
    },
  };
}
