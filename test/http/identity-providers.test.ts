import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { identityProviderDocument } from '../../src/api/identity-providers.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createOrganization } from '../../src/inventory/organization.ts';
import { reserveSlugs, storedProvider } from '../../src/login/provider-store.ts';
import { startTestServer, type TestPerson, type TestServer } from './test-server.ts';

let server: TestServer;
let admin: TestPerson;
let bob: TestPerson;
let stranger: TestPerson;
const secret = 'the client secret of the test';
const code = (reply: { json(): { code: string }; statusCode: number }) => [
  reply.statusCode,
  reply.json().code,
];

beforeAll(async () => {
  server = await startTestServer();
  admin = await server.person('admin', 'admin');
  bob = await server.person('bob', 'contributor');
  await inTransaction(server.database.db, (tx) =>
    createOrganization(tx, { slug: 'other', name: 'Other', domains: ['other.example'] }),
  );
  stranger = await server.person('mallory', 'admin', { domain: 'other.example', organization: 'other' });
});
afterAll(() => server.close());

const settings = (slug: string, more: object = {}) => ({
  name: slug,
  preset: 'okta',
  issuer: `https://${slug}.okta.example`,
  client_id: 'sallyport',
  groups: { prefix: `${slug}::` },
  ...more,
});

const create = (slug: string, more: object = {}, as = admin) =>
  server.call('POST', '/v1/identity-providers', {
    as,
    body: { slug, settings: settings(slug), client_secret: secret, ...more },
  });
const change = (slug: string, body: object, as = admin) =>
  server.call('POST', `/v1/identity-providers/${slug}`, { as, body });

async function events(event: string) {
  const rows = await server.database.db
    .selectFrom('audit_events')
    .select('facts')
    .where('event', '=', event)
    .execute();
  return rows.map(({ facts }) => facts as Record<string, unknown>);
}

test('an admin sets one up, and sees it with what is to be registered there', async () => {
  const reply = await create('okta');
  expect(reply.statusCode).toBe(201);
  const document = identityProviderDocument.parse(reply.json());
  expect(document).toMatchObject({
    slug: 'okta',
    source: 'console',
    enabled: true,
    version: 1,
    settings: { organization: 'acme', preset: 'okta', claims: { account: '{email}' } },
  });
  expect(document.redirect_uri).toBe(new URL('/login/callback/okta', server.publicUrl).href);
  expect(document.back_channel_logout_uri).toBe(
    new URL('/login/back-channel-logout/okta', server.publicUrl).href,
  );
  const list = (await server.call('GET', '/v1/identity-providers', { as: admin })).json();
  expect(
    list.identity_providers.map((each: { slug: string; source: string }) => [each.slug, each.source]),
  ).toEqual([
    ['default', 'configuration'],
    ['okta', 'console'],
  ]);
});

test('the secret is stored sealed and shown nowhere', async () => {
  await create('sealed');
  const stored = await storedProvider(server.database.db, 'sealed');
  expect(stored?.clientSecret.includes(Buffer.from(secret))).toBe(false);
  const list = await server.call('GET', '/v1/identity-providers', { as: admin });
  const recorded = JSON.stringify(await events('identity_provider.created'));
  expect(`${list.body}${recorded}${JSON.stringify(server.log)}`).not.toContain(secret);
});

test('only admins, and only of their own organization', async () => {
  await create('ours');
  expect(code(await create('theirs', {}, bob))).toEqual([403, 'forbidden']);
  const body = { version: 1, enabled: false };
  expect(code(await change('ours', body, stranger))).toEqual([404, 'not_found']);
  const remove = await server.call('POST', '/v1/identity-providers/ours/remove', { as: stranger });
  expect(code(remove)).toEqual([404, 'not_found']);
  const list = (await server.call('GET', '/v1/identity-providers', { as: stranger })).json();
  expect(list.identity_providers).toEqual([]);
  const foreign = await create(
    'foreign',
    { settings: settings('foreign', { organization: 'acme' }) },
    stranger,
  );
  expect(code(foreign)).toEqual([400, 'request_malformed']);
  expect(foreign.json().detail).toContain('organization: must be other');
  const test = await server.call('POST', '/v1/identity-providers/default/test', { as: stranger });
  expect(code(test)).toEqual([404, 'not_found']);
});

test('one of the configuration can not be changed, nor its name be taken', async () => {
  expect(code(await change('default', { version: 1, enabled: false }))).toEqual([404, 'not_found']);
  expect(code(await create('default'))).toEqual([422, 'name_refused']);
});

test('a change counts by version, and is recorded with what was before', async () => {
  await create('changing');
  const changed = await change('changing', {
    version: 1,
    settings: settings('changing', { claims: { account: '{preferred_username}' } }),
    client_secret: 'another',
  });
  expect(changed.json()).toMatchObject({
    version: 2,
    settings: { claims: { account: '{preferred_username}' } },
  });
  expect(code(await change('changing', { version: 1, enabled: false }))).toEqual([409, 'state_older']);
  const [event] = await events('identity_provider.changed');
  expect(event).toMatchObject({
    slug: 'changing',
    by: admin.account,
    secret_changed: true,
    before: { claims: { account: '{email}' } },
    after: { claims: { account: '{preferred_username}' } },
  });
  expect(JSON.stringify(event)).not.toContain('another');
});

test('another issuer is another provider', async () => {
  await create('issuer');
  const reply = await change('issuer', {
    version: 1,
    settings: settings('issuer', { issuer: 'https://x.example' }),
  });
  expect(code(reply)).toEqual([400, 'request_malformed']);
  expect(reply.json().detail).toContain('issuer');
});

test('a removed one’s name is never used again, and its secret is forgotten', async () => {
  await create('gone');
  expect((await server.call('POST', '/v1/identity-providers/gone/remove', { as: admin })).statusCode).toBe(
    204,
  );
  expect(code(await create('gone'))).toEqual([409, 'name_taken']);
  expect(code(await change('gone', { version: 2, enabled: true }))).toEqual([404, 'not_found']);
  const row = await server.database.db
    .selectFrom('identity_providers')
    .select(['client_secret', 'enabled'])
    .where('slug', '=', 'gone')
    .executeTakeFirstOrThrow();
  expect(row).toEqual({ client_secret: null, enabled: false });
});

test('whether one answers is asked at once', async () => {
  const reply = await server.call('POST', '/v1/identity-providers/default/test', { as: admin });
  expect(reply.json()).toEqual({ ok: true, message: expect.stringContaining('answers') });
});

test('a name that the configuration once had is never another’s', async () => {
  for (let start = 0; start < 2; start += 1) await reserveSlugs(server.database.db, [{ slug: 'former' }]);
  expect(code(await create('former'))).toEqual([409, 'name_taken']);
});

describe('refuses', () => {
  test.each([
    [{ issuer: 'http://idp.example' }, 'issuer: must be an https:// URL'],
    [{ issuer: 'https://user:pw@idp.example' }, 'issuer: must be an https:// URL'],
    [{ claims: { account: 'email' } }, 'claims.account: must be a template'],
    [{ claims: { account: '{email:local}@acme.example' } }, 'email_domains: must hold exactly one domain'],
    [{ groups: { prefix: 'okta:' } }, 'groups.prefix: must be empty, or a word'],
    [{ groups: { overage: { fetch: 'http://graph.example' } } }, 'groups.overage'],
    [{ scopes: ['email'] }, 'scopes: must hold openid'],
    [{ preset: 'oktaa' }, 'preset: must be one of okta'],
    [{ assurance: { multi_factor_amr: [[]] } }, 'assurance.multi_factor_amr.0'],
    [{ surprise: 1 }, 'there is no setting surprise'],
  ])('%j', async (more, words) => {
    const reply = await create('refused', { settings: settings('refused', more) });
    expect(code(reply)).toEqual([400, 'request_malformed']);
    expect(reply.json().detail).toContain(words);
  });

  test('groups that could be taken for another provider’s, until it is switched off', async () => {
    await create('first', { settings: settings('first', { groups: { prefix: 'same::' } }) });
    const second = { settings: settings('second', { groups: { prefix: 'same::' } }) };
    const reply = await create('second', second);
    expect(code(reply)).toEqual([400, 'request_malformed']);
    expect(reply.json().detail).toContain('groups.prefix: second and first both serve acme');
    expect((await create('second', { ...second, enabled: false })).statusCode).toBe(201);
    expect(code(await change('second', { version: 1, enabled: true }))).toEqual([400, 'request_malformed']);
    await change('first', { version: 1, enabled: false });
    expect((await change('second', { version: 1, enabled: true })).statusCode).toBe(200);
    const none = await create('third', { settings: settings('third', { groups: {} }) });
    expect(none.json().detail).toContain('third and default both serve acme');
  });

  test('two admins’ changes that are fine alone and not together', async () => {
    const settingsOf = (slug: string) => ({ settings: settings(slug, { groups: { prefix: 'race::' } }) });
    const replies = await Promise.all([
      create('race-a', settingsOf('race-a')),
      create('race-b', settingsOf('race-b')),
    ]);
    expect(replies.map(({ statusCode }) => statusCode).sort()).toEqual([201, 400]);
  });
});
