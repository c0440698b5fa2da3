import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { inTransaction } from '../../src/database/transaction.ts';
import { Browser } from '../../src/dev/tour/browser.ts';
import { createIdentityProviders, type IdentityProviders } from '../../src/login/identity-providers.ts';
import { changeProvider, createProvider, removeProvider } from '../../src/login/manage-providers.ts';
import { listProviders } from '../../src/login/provider-documents.ts';
import { documentOf } from '../../src/login/provider-settings.ts';
import { createSealer, newSealingKey } from '../../src/secrets/seal.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { createShop } from '../inventory/shop.ts';
import { withCode } from './forging-world.ts';
import { type LandingPlace, openLandingPlace } from './landing-place.ts';
import { startTestProvider, type TestProvider } from './test-provider.ts';

let database: FreshDatabase;
let landing: LandingPlace;
let configured: TestProvider;
let stored: TestProvider;
let organizationId: string;
let providers: IdentityProviders;
/** Another server process. */
let others: IdentityProviders;
let version = 0;
const sealer = createSealer([newSealingKey()]);
/** What each server process has. */
function processParts() {
  const publicUrl = new URL(`http://127.0.0.1:${landing.port}`);
  const clock = () => new Date();
  const allowInsecureLoopback = true;
  const parts = {
    database,
    sealer,
    configured: [configured.configured()],
    publicUrl,
    clock,
    allowInsecureLoopback,
  };
  return { publicUrl, parts };
}
const browserSecret = 'login_of-this-browser';

beforeAll(async () => {
  database = await freshDatabase();
  landing = await openLandingPlace();
  const publicUrl = new URL(`http://127.0.0.1:${landing.port}`);
  const people = [{ username: 'dora', groups: ['g1'] }];
  configured = await startTestProvider({ people, publicUrl });
  stored = await startTestProvider({ slug: 'second', people, publicUrl });
  ({ organizationId } = await inTransaction(database.db, (tx) =>
    createShop(tx, new Date(), { domain: 'acme.test' }),
  ));
  providers = createIdentityProviders(processParts().parts);
  others = createIdentityProviders(processParts().parts);
  const { settings, clientSecret } = stored.configured();
  const created = await inTransaction(database.db, (tx) =>
    createProvider(
      tx,
      managing(),
      manager(),
      {
        slug: 'second',
        settings: documentOf({ ...settings, groups: { prefix: 'two::', overage: 'refuse' } }),
        clientSecret,
        enabled: true,
      },
      new Date(),
    ),
  );
  version = created.version;
});
afterAll(async () => {
  await configured.close();
  await stored.close();
  await landing.close();
  await database.close();
});
beforeEach(() => {
  stored.requests.length = 0;
});

const managing = () => ({ sealer, configured: [configured.configured()] });
const manager = () => ({ organizationId, organization: 'acme', by: 'alice@acme.test' });
const notFound = withCode('not_found');
const redeemed = ({ requests }: TestProvider) => requests.filter(({ path }) => path === '/token').length;
async function change(how: { enabled?: boolean; settings?: unknown }): Promise<void> {
  const changed = await inTransaction(database.db, (tx) =>
    changeProvider(tx, managing(), manager(), { slug: 'second', version, ...how }),
  );
  version = changed.version;
}
async function replyOf(from: IdentityProviders, slug: string, idp: TestProvider): Promise<URL> {
  const provider = await from.get(slug);
  const url = await provider.startLogin({ purpose: { kind: 'browser' }, browserSecret });
  return (await idp.logIn(new Browser(), url, 'dora')).url;
}

test('configured ones and those of admins are one list, by name', async () => {
  expect(await providers.list()).toEqual([
    { slug: 'default', name: 'Provider default', issuer: configured.issuer, organizationSlug: 'acme' },
    { slug: 'second', name: 'Provider second', issuer: stored.issuer, organizationSlug: 'acme' },
  ]);
});

test('each logs in by its own settings, with its secret opened and its groups marked', async () => {
  const secret = (await database.db.selectFrom('identity_providers').selectAll().execute())[0]?.client_secret;
  expect(secret?.includes(stored.clientSecret)).toBe(false);
  for (const [slug, idp, groups] of [
    ['default', configured, ['g1']],
    ['second', stored, ['two::g1']],
  ] as const) {
    const reply = await replyOf(providers, slug, idp);
    expect(reply.pathname).toBe(slug === 'default' ? '/login/callback' : '/login/callback/second');
    const provider = await providers.get(slug);
    expect(await provider.finishLogin(reply, browserSecret)).toMatchObject({
      provider: { slug },
      issuer: idp.issuer,
      subject: 'dora',
      accountName: 'dora@acme.test',
      groups,
      upstreamSid: expect.any(String),
    });
  }
});

test('a provider is made once for each version, and a change counts on every server process at once', async () => {
  const [mine, theirs] = [await providers.get('second'), await others.get('second')];
  expect(await providers.get('second')).toBe(mine);
  const { settings } = stored.configured();
  await change({
    settings: documentOf({ ...settings, name: 'Renamed', groups: { prefix: 'two::', overage: 'refuse' } }),
  });
  expect((await others.get('second')).name).toBe('Renamed');
  expect(await others.get('second')).not.toBe(theirs);
  expect((await providers.get('second')).name).toBe('Renamed');
});

describe('[abuse 78] a provider that is', () => {
  test.each(['third', 'Second', '', '../default', 'default/', 'second\u0000', '__proto__', 'constructor'])(
    'not set up (%j) is not found',
    async (slug) => {
      await expect(providers.get(slug)).rejects.toEqual(notFound);
    },
  );

  test('switched off gives no login, also not one that is under way, until it is on again', async () => {
    const reply = await replyOf(providers, 'second', stored);
    await change({ enabled: false });
    for (const process of [providers, others]) {
      await expect(process.get('second')).rejects.toEqual(notFound);
      expect((await process.list()).map(({ slug }) => slug)).toEqual(['default']);
    }
    // Whoever holds its reply brings it to another's callback in vain.
    const other = await providers.get('default');
    await expect(other.finishLogin(reply, browserSecret)).rejects.toEqual(withCode('login_state_invalid'));
    expect(redeemed(stored)).toBe(0);
    await change({ enabled: true });
    expect((await (await providers.get('second')).finishLogin(reply, browserSecret)).subject).toBe('dora');
  });

  test('no longer readable keeps nobody else from logging in, is told once, and can be removed', async () => {
    const unreadable: unknown[] = [];
    const { publicUrl, parts } = processParts();
    const seeing = createIdentityProviders({
      ...parts,
      onUnreadable: (provider) => unreadable.push(provider),
    });
    await database.db
      .insertInto('identity_providers')
      .values({ slug: 'broken', organization_id: organizationId, settings: '{"name":7}' })
      .execute();
    for (const _time of [1, 2]) {
      expect((await seeing.list()).map(({ slug }) => slug)).toEqual(['default', 'second']);
    }
    expect(unreadable).toEqual([{ slug: 'broken', detail: expect.stringContaining('issuer is missing') }]);
    const whose = { organization: 'acme', organizationId };
    const listed = await listProviders(database.db, parts.configured, whose, publicUrl);
    expect(listed.map(({ slug }) => slug)).toEqual(['default', 'second']);
    await change({ enabled: true });
    await expect(seeing.get('broken')).rejects.toEqual(withCode('internal'));
    await inTransaction(database.db, (tx) => removeProvider(tx, manager(), 'broken', new Date()));
    await expect(seeing.get('broken')).rejects.toEqual(notFound);
  });

  test('removed is gone for good', async () => {
    await inTransaction(database.db, (tx) => removeProvider(tx, manager(), 'second', new Date()));
    await expect(providers.get('second')).rejects.toEqual(notFound);
    await expect(others.get('second')).rejects.toEqual(notFound);
  });
});
