/** The server as `sallyport serve` puts it together, in this process, on a real socket, with real identity providers. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { accountForIdentity } from '../../src/accounts/account-for-identity.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import type { ListedRoute } from '../../src/http/route-authentication.ts';
import { createAccessRule } from '../../src/inventory/access-rules.ts';
import type { ProviderSettings } from '../../src/login/provider-settings.ts';
import { createAuthorizationServerKeys } from '../../src/oauth/keys.ts';
import { createSealer, newSealingKey } from '../../src/secrets/seal.ts';
import { tokenHash } from '../../src/secrets/token.ts';
import { type ServerParts, startServer } from '../../src/server/start-server.ts';
import { heldInMemory, memorySigner } from '../ca/sample-authority.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { createShop, type Shop } from '../inventory/shop.ts';
import { startTestProvider, type TestPerson, type TestProvider } from '../login/test-provider.ts';
import { startedSession } from '../sessions/login.ts';

export interface WholeSite {
  /** Where it listens. */
  readonly port: number;
  readonly publicUrl: URL;
  readonly database: FreshDatabase;
  /** acme, with the domain acme.test, whose group `admins` are admins. */
  readonly shop: Shop;
  readonly providers: readonly TestProvider[];
  readonly routes: readonly ListedRoute[];
  /** Lines of the log. */
  readonly log: string[];
  readonly clock: { now: Date };
  /** A person of acme, or of another organization, with sessions but without a login. */
  guest(
    name: string,
    more?: { groups?: readonly string[]; organization?: 'acme' | 'globex' },
  ): Promise<Guest>;
  close(): Promise<void>;
}

export interface Guest {
  readonly account: string;
  readonly accountId: string;
  readonly sessionId: string;
  readonly browserSessionId: string;
  /** Value of the Cookie header of a browser session. */
  readonly cookie: string;
}

export const siteGroups = 'admins';
const people: readonly TestPerson[] = [
  { username: 'alice', name: 'Alice', email: 'alice@acme.test', groups: [siteGroups] },
  { username: 'bob', name: 'Bob', email: 'bob@acme.test', groups: ['contributors'] },
  { username: 'carol', name: 'Carol', email: 'carol@acme.test', groups: ['contributors'] },
];

export interface SiteOptions {
  /** Slugs; default: one, `default`. */
  readonly providers?: readonly string[];
  /** Where people reach it, if not where it listens. */
  readonly publicPort?: number;
  readonly publicUrl?: URL;
  readonly parts?: Partial<ServerParts>;
  /** What is different in the settings of a provider. */
  readonly settings?: (slug: string, issuer: string) => Partial<ProviderSettings>;
}

export async function startWholeSite(options: SiteOptions = {}): Promise<WholeSite> {
  const database = await freshDatabase();
  const port = await freePort();
  const publicUrl = options.publicUrl ?? new URL(`http://localhost:${options.publicPort ?? port}`);
  const clock = { now: new Date() };
  const log: string[] = [];
  const providers = await Promise.all(
    (options.providers ?? ['default']).map((slug) => startTestProvider({ slug, publicUrl, people })),
  );
  const shops = await inTransaction(database.db, async (tx) => {
    const acme = await createShop(tx, clock.now, { domain: 'acme.test' });
    const globex = await createShop(tx, clock.now, {
      organization: 'globex',
      domain: 'globex.test',
      project: 'billing',
      gateway: 'bastion',
    });
    for (const { organizationId } of [acme, globex]) {
      await createAccessRule(tx, { organizationId, subject: { group: siteGroups }, role: 'admin' });
      await createAccessRule(tx, { organizationId, subject: { group: 'contributors' }, role: 'contributor' });
    }
    return { acme, globex };
  });
  // The shop's own alice has another identity; the provider's is to have her name.
  await database.db
    .updateTable('accounts')
    .set({ name: 'someone@acme.test' })
    .where('name', '=', 'alice@acme.test')
    .execute();
  const held = heldInMemory({ user: memorySigner(), host: memorySigner() });
  const server = await startServer({
    database,
    keys: {
      openSigner: (uri) => held.openSigner(uri.replace(/^file:(user|host|hop)_ca\.pem$/, 'memory:$1')),
      createKey: held.createKey,
      oauth: await createAuthorizationServerKeys(),
      sealer: createSealer([newSealingKey()]),
    },
    publicUrl,
    listen: { host: '127.0.0.1', port, alsoHost: '::1' },
    identityProviders: providers.map((provider) =>
      provider.configured(options.settings?.(provider.slug, provider.issuer)),
    ),
    acceptDemoIdentityProvider: false,
    trustedProxies: [],
    operators: ['olga@acme.test'],
    logger: { level: 'debug', stream: { write: (line) => log.push(line) } },
    clock: () => clock.now,
    ...options.parts,
  });
  return {
    port,
    publicUrl,
    database,
    shop: shops.acme,
    providers,
    routes: server.routes,
    log,
    clock,
    async guest(name, { groups = [], organization = 'acme' } = {}) {
      return await inTransaction(database.db, async (tx) => {
        const identity = {
          issuer: providers[0]?.issuer ?? '',
          subject: `${name} of ${organization}`,
          accountName: `${name}@${organization}.test`,
          displayName: name,
          groups,
          organizationSlug: organization,
        };
        const { accountId, name: account } = await accountForIdentity(tx, identity, clock.now);
        const secret = `console_${Buffer.from(`${name} of ${organization}`.padEnd(32)).toString('base64url')}`;
        const sessionId = await startedSession(tx, accountId, clock.now);
        const cookieHash = tokenHash(secret);
        const browserSessionId = await startedSession(tx, accountId, clock.now, {
          kind: 'browser',
          cookieHash,
        });
        return { account, accountId, sessionId, browserSessionId, cookie: `sallyport-session=${secret}` };
      });
    },
    async close() {
      await server.close();
      for (const provider of providers) await provider.close();
      await database.close();
    },
  };
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
