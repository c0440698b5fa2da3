/** An admin of one organization, and everything that belongs to another, tried on every route that names something. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inTransaction } from '../../src/database/transaction.ts';
import { csrfTokenFor } from '../../src/http/session-cookie.ts';
import { everythingStored } from '../database/everything-stored.ts';
import { createShop } from '../inventory/shop.ts';
import { startTestServer, type TestPerson, type TestServer } from './test-server.ts';

let server: TestServer;
let victim: TestPerson;
let stranger: TestPerson;
/** By the words of a path before the parameter: one of the victim's, and one that there is not. */
let things: Readonly<Record<string, { readonly theirs: string; readonly none: string }>>;

beforeAll(async () => {
  server = await startTestServer();
  await inTransaction(server.database.db, async (tx) => {
    await createShop(tx, server.clock.now, {
      organization: 'globex',
      domain: 'globex.example',
      project: 'billing',
      gateway: 'bastion',
    });
  });
  victim = await server.person('victim', 'admin');
  stranger = await server.person('stranger', 'admin', { domain: 'globex.example', organization: 'globex' });
  const { db } = server.database;
  const { organizationId } = server.shop;
  const owner = {
    account_id: victim.accountId,
    organization_id: organizationId,
    name: 'theirs',
    created_by: 'x',
  };
  const passkey = await db
    .insertInto('passkeys')
    .values({
      account_id: victim.accountId,
      credential_id: Buffer.from('theirs'),
      public_key: Buffer.from('x'),
      counter: '0',
      transports: [],
      model: String(randomUUID()),
      backed_up: false,
      name: 'theirs',
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  const apiToken = await db
    .insertInto('api_tokens')
    .values({
      ...owner,
      token_hash: Buffer.alloc(32, 7),
      hint: 'abcd',
      source_ranges: [],
      role_limit: 'viewer',
      expires_at: new Date(server.clock.now.getTime() + 3_600_000),
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  const rule = await db
    .insertInto('ci_rules')
    .values({
      ...owner,
      system: 'github',
      issuer: 'https://token.actions.githubusercontent.com',
      audience: 'https://ssh.example.com',
      claims: JSON.stringify({ repository: ['theirs/app'] }) as never,
      role_limit: 'viewer',
      lifetime_seconds: 600,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  const registeredKey = await db
    .insertInto('registered_keys')
    .values({
      account_id: victim.accountId,
      session_id: victim.sessionId,
      name: 'theirs',
      public_key: Buffer.from('theirs'),
      fingerprint: 'SHA256:theirs',
      expires_at: new Date(server.clock.now.getTime() + 3_600_000),
      last_used_at: null,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  const lease = await db
    .insertInto('leases')
    .values({
      companion_id: server.shop.gatewayId,
      account_id: victim.accountId,
      session_id: victim.sessionId,
      network: '192.0.2.7',
      port: 22,
      created_at: server.clock.now,
      expires_at: new Date(server.clock.now.getTime() + 3_600_000),
      ended_at: null,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await db
    .insertInto('services')
    .values({
      environment_id: server.shop.environmentId,
      slug: 'db',
      kind: 'postgresql',
      address: '10.0.0.2',
      port: 5432,
      login: null,
      database: null,
    })
    .execute();
  await db
    .insertInto('companions')
    .values({ organization_id: organizationId, kind: 'host', name: 'machine', address: '10.0.0.3', port: 22 })
    .execute();
  await db
    .insertInto('identity_providers')
    .values({
      slug: 'theirs',
      organization_id: organizationId,
      settings: JSON.stringify({
        name: 'Theirs',
        issuer: 'https://theirs.example',
        client_id: 'x',
        organization: 'acme',
      }) as never,
      client_secret: Buffer.from('x'),
    })
    .execute();
  things = {
    sessions: { theirs: victim.sessionId, none: randomUUID() },
    own: { theirs: victim.sessionId, none: randomUUID() },
    accounts: { theirs: victim.account, none: 'nobody@example.com' },
    passkeys: { theirs: passkey.id, none: randomUUID() },
    'api-tokens': { theirs: apiToken.id, none: randomUUID() },
    tokens: { theirs: apiToken.id, none: randomUUID() },
    'ssh-keys': { theirs: registeredKey.id, none: randomUUID() },
    leases: { theirs: lease.id, none: randomUUID() },
    'ci-rules': { theirs: rule.id, none: randomUUID() },
    rules: { theirs: rule.id, none: randomUUID() },
    'identity-providers': { theirs: 'theirs', none: 'never-was' },
    providers: { theirs: 'theirs', none: 'never-was' },
    // The longer names first: what they say is compared without them.
    instances: { theirs: 'shop-production--web', none: 'no-such--web' },
    targets: { theirs: 'shop-production--web', none: 'no-such--web' },
    services: { theirs: 'shop.production.db', none: 'no.such.db' },
    apps: { theirs: 'shop.production.web', none: 'no.such.web' },
    environments: { theirs: 'shop.production', none: 'no.such' },
    projects: { theirs: 'shop', none: 'nope' },
    gateways: { theirs: 'gate', none: 'never-was' },
    hosts: { theirs: 'machine', none: 'never-was' },
  };
});
afterAll(() => server.close());

/** Bodies of the routes of the API that want one. */
const bodies: Readonly<Record<string, object>> = {
  '/v1/identity-providers/:slug': { version: 1, enabled: false },
  '/v1/inventory/apps/:app/instances': { instances: [] },
  '/v1/inventory/instances/:instance': { state: 'stopped' },
  '/v1/accounts/:account/identities/link': { provider: 'default', subject: 'stranger' },
  '/v1/accounts/:account/identities/unlink': { issuer: 'https://login.example.com', subject: 'x' },
};

/** Fields of the console's forms that have more than a button. */
const provider =
  'name=x&preset=generic&client_id=x&client_secret=&account=&groups_prefix=&email_domains=&more=';
const fields: Readonly<Record<string, string>> = {
  '/console/sign-in-settings/providers/:slug': `${provider}&version=1`,
  '/console/sign-in-settings/providers/:slug/remove': 'sure=on',
  '/console/accounts/:account/identities/link': 'provider=default&subject=x&sure=on',
};

async function ask(
  { method, path, auth }: { method: string; path: string; auth: string },
  which: 'theirs' | 'none',
) {
  const url = path.replace(/([a-z-]+)\/:[a-z_]+/gi, (_all, word: string) => {
    const thing = things[word];
    if (!thing)
      throw new Error(`${path}: say what ${word} are, so that it can be tried with another tenant's`);
    return `${word}/${thing[which]}`;
  });
  if (auth !== 'browser') {
    const body = bodies[path];
    return await server.call(method as 'POST', url, { as: stranger, ...(body ? { body } : {}) });
  }
  const token = csrfTokenFor(stranger.cookie.slice(stranger.cookie.indexOf('=') + 1));
  return await server.call(method as 'POST', url, {
    cookie: stranger.cookie,
    headers: {
      origin: server.publicUrl.origin,
      ...(method === 'POST' ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
    },
    ...(method === 'POST' ? { body: `csrf_token=${token}&${fields[path] ?? ''}` } : {}),
  });
}

test('[abuse 96] what belongs to another organization is as unknown as what never was, and there is no cursor to forge', async () => {
  const named = server.app.routeList.filter(
    ({ path, auth }) => path.includes('/:') && ['admin', 'person', 'browser'].includes(auth),
  );
  expect(named.length).toBeGreaterThan(15);
  const before = await everythingStored(server.database);
  for (const route of named) {
    const what = `${route.method} ${route.path}`;
    const [theirs, none] = [await ask(route, 'theirs'), await ask(route, 'none')];
    expect([what, theirs.statusCode]).toEqual([what, 404]);
    expect([what, none.statusCode]).toEqual([what, 404]);
    const { request_id: _one, ...said } = theirs.json();
    const { request_id: _other, ...saidOfNone } = none.json();
    const anonymous = (text: string) =>
      Object.values(things).reduce(
        (all, { theirs, none }) => all.replaceAll(theirs, '*').replaceAll(none, '*'),
        text,
      );
    expect([what, anonymous(JSON.stringify(said))]).toEqual([what, anonymous(JSON.stringify(saidOfNone))]);
  }

  // Lists hold nothing of theirs, and take neither a cursor nor a page from the one who asks.
  for (const { method, path, auth } of server.app.routeList) {
    if (method !== 'GET' || path.includes('/:') || !['admin', 'person', 'browser'].includes(auth)) continue;
    const as = auth === 'browser' ? { cookie: stranger.cookie } : { as: stranger };
    const reply = await server.call('GET', path, as);
    const found = [victim.account, victim.sessionId, 'theirs', server.shop.gatewayId].filter((text) =>
      reply.body.includes(text),
    );
    expect([path, found]).toEqual([path, []]);
    if (auth === 'browser') continue;
    const forged = Buffer.from(JSON.stringify({ after: victim.sessionId })).toString('base64url');
    for (const name of ['cursor', 'after', 'page', 'offset', 'organization']) {
      const paged = await server.call('GET', `${path}?${name}=${forged}`, as);
      // Refused, or not read at all.
      const same = paged.statusCode >= 400 || paged.body === reply.body;
      expect([path, name, same]).toEqual([path, name, true]);
    }
  }

  // What a body names is looked for among one's own as well.
  const expires_at = Math.floor(server.clock.now.getTime() / 1000) + 3600;
  const inBodies: [string, object][] = [
    ['/v1/api-tokens', { name: 'x', role_limit: 'viewer', account: victim.account, expires_at }],
    ['/v1/ssh-codes', { uses: 1, target: 'shop-production--web' }],
    ['/v1/inventory/environments', { name: 'shop.staging', kind: 'staging' }],
    ['/v1/inventory/environments', { name: 'billing.x', kind: 'staging', gateways: ['gate'] }],
    ['/v1/inventory/services', { name: 'shop.production.x', kind: 'redis', address: '10.0.0.9', port: 1 }],
    ['/v1/inventory/apps', { name: 'shop.production.x' }],
    [
      '/v1/inventory/instances',
      { app: 'billing.production.web', slug: 'x', address: '10.0.0.9', login: 'x', host: 'machine' },
    ],
    [
      '/v1/inventory/hosts',
      { name: 'h', address: '10.0.0.9', announces: [{ app: 'shop.production.web', login: 'x' }] },
    ],
    ['/v1/inventory/access-rules', { account: victim.account, role: 'viewer' }],
    ['/v1/inventory/access-rules', { group: 'x', role: 'viewer', project: 'shop' }],
    ['/v1/inventory/plan', { document: { organization: { slug: 'acme' } } }],
    [
      '/v1/inventory/plan',
      {
        document: {
          organization: { slug: 'globex' },
          access_rules: [{ group: 'x', role: 'viewer', project: 'shop' }],
        },
      },
    ],
    ['/v1/leases', { machine: 'gate' }],
    ['/v1/ssh-keys/remove-all', { account: victim.account }],
  ];
  for (const [path, body] of inBodies) {
    if (!server.app.routeList.some((route) => route.path === path && route.method === 'POST')) continue;
    const reply = await server.call('POST', path, { as: stranger, body });
    expect([path, reply.statusCode >= 400]).toEqual([path, true]);
  }
  const explained = await server.call(
    'GET',
    `/v1/explain?target=shop-production--web&account=${victim.account}`,
    {
      as: stranger,
    },
  );
  expect(explained.statusCode).toBe(404);
  await server.call('POST', '/v1/sessions/revoke-before', { as: victim, body: { before: 1 } });
  expect(withoutUse(await everythingStored(server.database))).toBe(withoutUse(before));
});

/** Looking at a page is a use of one's own session, and asking in vain may be written down. */
function withoutUse(stored: string): string {
  const tables = (JSON.parse(stored) as [string, Record<string, unknown>[]][]).filter(
    ([name]) => name !== 'audit_events' && name !== 'attempts',
  );
  return JSON.stringify(tables, (key, value) => (key === 'last_used_at' ? null : value));
}
