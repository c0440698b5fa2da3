import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inventoryDocument } from '../../src/api/inventory-document.ts';
import { inRehearsal, inTransaction } from '../../src/database/transaction.ts';
import { createCompanion } from '../../src/inventory/companion.ts';
import { planDocument } from '../../src/inventory/plan-document.ts';
import { targetByName } from '../../src/inventory/target.ts';
import { everythingStored } from '../database/everything-stored.ts';
import { startedSession } from '../sessions/login.ts';
import { startTestServer, type TestPerson, type TestServer } from './test-server.ts';

let server: TestServer;
let admin: TestPerson;
beforeAll(async () => {
  server = await startTestServer();
  admin = await server.person('admin', 'admin');
});
afterAll(() => server.close());

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH';

async function ask(method: Method, path: string, body?: unknown, as: TestPerson = admin) {
  const reply = await server.call(method, `/v1/inventory/${path}`, {
    as,
    ...(body === undefined ? {} : { body }),
  });
  return { status: reply.statusCode, body: reply.body === '' ? null : reply.json() };
}

describe('things one by one', () => {
  test.each([
    ['projects', { name: 'blog' }, { ssh_enabled: false }],
    ['environments', { name: 'shop.staging', kind: 'staging' }, { people_only: true, gateways: ['gate'] }],
    [
      'services',
      { name: 'shop.production.db', kind: 'postgresql', address: '10.0.0.2', port: 5432 },
      { enabled: false },
    ],
    ['apps', { name: 'shop.production.api' }, { folder: '/srv/api', agent_forwarding: true }],
    [
      'gateways',
      { name: 'east', address: 'east.example.com' },
      { ports: [2222, 443], lease_max_seconds: 900 },
    ],
    [
      'hosts',
      { name: 'web-1', address: '10.0.0.5' },
      { announces: [{ app: 'shop.production.web', login: 'web' }] },
    ],
  ])(
    'of %s are made, read, listed, changed and removed, and the name is gone',
    async (words, made, change) => {
      const { status, body } = await ask('POST', words, made);
      expect([status, body]).toEqual([201, expect.objectContaining(made)]);
      expect(await ask('POST', words, made)).toMatchObject({ status: 409, body: { code: 'name_taken' } });
      const path = `${words}/${made.name}`;
      expect(await ask('GET', path)).toEqual({ status: 200, body });
      expect(await ask('POST', path, change)).toEqual({ status: 200, body: { ...body, ...change } });
      expect((await ask('GET', words)).body[words]).toContainEqual({ ...body, ...change });
      expect(await ask('POST', `${path}/remove`)).toEqual({ status: 204, body: null });
      expect(await ask('GET', path)).toMatchObject({ status: 404 });
      expect(await ask('POST', `${path}/remove`)).toMatchObject({ status: 404 });
      expect(await ask('POST', words, made)).toMatchObject({ status: 409, body: { code: 'name_taken' } });
    },
  );

  test('an instance is named by its app and its slug, and may come back', async () => {
    const made = { app: 'shop.production.web', slug: 'two', address: '10.0.0.7', login: 'web', role: 'db' };
    const { body } = await ask('POST', 'instances', made);
    expect(body).toMatchObject({ name: 'shop-production--web--two', ...made, state: 'running' });
    await ask('POST', 'instances/shop-production--web--two', { state: 'paused', labels: { zone: 'a' } });
    expect(await targetByName(server.database.db, 'shop-production--web--two')).toMatchObject({
      state: 'paused',
      instanceRole: 'db',
    });
    expect(await ask('POST', 'instances/shop-production--web--two/remove')).toMatchObject({ status: 204 });
    expect(await ask('POST', 'instances', made)).toMatchObject({ status: 201 });
  });

  test('the organization has settings and a switch', async () => {
    expect((await ask('GET', 'organization')).body).toEqual({
      slug: 'acme',
      name: 'A company',
      ssh_enabled: true,
    });
    const change = { ssh_enabled: false, name: 'Acme & co' };
    expect((await ask('POST', 'organization', change)).body).toMatchObject(change);
    expect(await targetByName(server.database.db, 'shop-production--web')).toMatchObject({
      sshEnabled: { organization: false, project: true },
    });
    await ask('POST', 'organization', { ssh_enabled: true });
  });

  test('what still holds something is not removed', async () => {
    for (const path of ['projects/shop', 'environments/shop.production', 'apps/shop.production.web']) {
      expect(await ask('POST', `${path}/remove`)).toMatchObject({
        status: 409,
        body: { code: 'still_used' },
      });
    }
  });

  test.each([
    ['projects', { name: 'Shop' }],
    ['projects', { name: 'shop.production' }],
    ['projects', { name: 'x', color: 'red' }],
    ['environments', { name: 'shop.x' }],
    ['environments', { name: 'shop.x', kind: 'production', mfa_max_age_seconds: 0 }],
    ['apps', { name: 'shop.production.x', folder: 'srv' }],
    ['apps', { name: 'shop.production.x', folder: '/srv; rm -rf /' }],
    ['apps', { name: 'shop.production.x', journal_unit: 'a b' }],
    ['services', { name: 'shop.production.x', kind: 'PG', address: 'a', port: 1 }],
    ['services', { name: 'shop.production.x', kind: 'pg', address: '-oProxyCommand=x', port: 1 }],
    ['gateways', { name: 'x', address: 'a', port: 65_536 }],
    ['gateways', { name: 'x', address: 'a', ports: [22, 22] }],
    ['hosts', { name: 'x', address: 'a', host_fingerprint: 'MD5:00' }],
    ['instances', { app: 'shop.production.web', slug: 'x', address: 'a', login: 'root;' }],
    [
      'instances',
      { app: 'shop.production.web', slug: 'x', address: 'a', login: 'a', labels: { 'A B': 'x' } },
    ],
    [
      'instances',
      { app: 'shop.production.web', slug: 'x', address: 'a', login: 'a', labels: { a: '\u001b[2J' } },
    ],
    ['access-rules', { group: 'a', account: 'b@example.com', role: 'admin' }],
    ['access-rules', { group: 'a', role: 'admin', environment: 'production' }],
    ['access-rules', { group: 'a', role: 'god' }],
  ])('%s refuse %j', async (words, body) => {
    expect(await ask('POST', words, body)).toMatchObject({
      status: 400,
      body: { code: 'request_malformed' },
    });
  });

  test.each([
    ['apps', { name: 'shop.nowhere.x' }],
    ['environments', { name: 'nowhere.x', kind: 'staging' }],
    ['environments', { name: 'shop.x', kind: 'staging', gateways: ['nowhere'] }],
    ['instances', { app: 'shop.production.nowhere', slug: 'x', address: 'a', login: 'a' }],
    ['instances', { app: 'shop.production.web', slug: 'x', address: 'a', login: 'a', host: 'nowhere' }],
    ['hosts', { name: 'x', address: 'a', announces: [{ app: 'shop.production.nowhere', login: 'a' }] }],
    ['access-rules', { account: 'nobody@example.com', role: 'viewer' }],
    ['access-rules', { group: 'a', role: 'viewer', project: 'nowhere' }],
  ])('%s refuse what names something that there is not: %j', async (words, body) => {
    expect(await ask('POST', words, body)).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });

  test('a change is one event that names who did it, and what was and is; none is none', async () => {
    const events = async () =>
      await server.database.db.selectFrom('audit_events').selectAll().orderBy('id').execute();
    await ask('POST', 'apps/shop.production.web', { ssh_role: 'viewer' });
    const before = await events();
    expect(before.at(-1)).toMatchObject({
      event: 'inventory.changed',
      facts: {
        change: 'app changed',
        name: 'shop.production.web',
        by: admin.account,
        before: { ssh_role: 'contributor' },
        after: { ssh_role: 'viewer' },
      },
    });
    await ask('POST', 'apps/shop.production.web', { ssh_role: 'viewer' });
    expect(await events()).toHaveLength(before.length);
    await ask('POST', 'apps/shop.production.web', { ssh_role: 'contributor' });
  });
});

describe('access rules', () => {
  test('are made, end when they say, and are taken back', async () => {
    const rule = { group: 'ops', role: 'contributor', project: 'shop', environment: 'production' };
    expect(await ask('POST', 'access-rules', rule)).toMatchObject({ status: 201, body: rule });
    expect(await ask('POST', 'access-rules', rule)).toMatchObject({ status: 409 });
    const end = new Date(server.clock.now.getTime() + 3_600_000).toISOString();
    const limited = { ...rule, expires_at: end };
    await ask('POST', 'access-rules/change', limited);
    expect((await ask('GET', 'access-rules')).body.access_rules).toContainEqual(
      expect.objectContaining({ ...rule, expires_at: `${end.slice(0, 19)}Z` }),
    );
    const past = { ...rule, expires_at: '2020-01-01T00:00:00Z' };
    expect(await ask('POST', 'access-rules/change', past)).toMatchObject({ status: 400 });
    expect(await ask('POST', 'access-rules/remove', rule)).toMatchObject({ status: 204 });
    expect(await ask('POST', 'access-rules/remove', rule)).toMatchObject({ status: 404 });
  });

  test('of the last person who is an admin for good are neither removed nor given an end', async () => {
    const { account } = admin;
    const rule = { account, role: 'admin' };
    const end = new Date(server.clock.now.getTime() + 3_600_000).toISOString();
    const refused = { status: 403, body: { code: 'forbidden' } };
    expect(await ask('POST', 'access-rules/remove', rule)).toMatchObject(refused);
    expect(await ask('POST', 'access-rules/change', { ...rule, expires_at: end })).toMatchObject(refused);
    const other = await server.person('other', 'admin');
    expect(await ask('POST', 'access-rules/remove', { account: other.account, role: 'admin' })).toMatchObject(
      {
        status: 204,
      },
    );
    expect(await ask('POST', 'access-rules/remove', rule)).toMatchObject(refused);
  });
});

describe('documents', () => {
  test('are exported, planned and applied as they were planned', async () => {
    const { body: document } = await ask('GET', 'document');
    expect(document).toMatchObject({ organization: { slug: 'acme', domains: ['example.com'] } });
    expect((await ask('POST', 'plan', { document })).body).toMatchObject({ changes: [], not_in_file: [] });
    document.projects[0].environments[0].max_connection_seconds = 7200;
    const { body: plan } = await ask('POST', 'plan', { document });
    expect(plan.changes).toEqual([
      {
        action: 'change',
        kind: 'environment',
        name: 'shop.production',
        before: { max_connection_seconds: null },
        after: { max_connection_seconds: 7200 },
      },
    ]);
    const wrong = { document, digest: '0'.repeat(64) };
    expect(await ask('POST', 'apply', wrong)).toMatchObject({ status: 409, body: { code: 'plan_outdated' } });
    const applied = await ask('POST', 'apply', { document, digest: plan.digest });
    expect([applied.status, applied.body.changes]).toEqual([200, plan.changes]);
    expect((await ask('POST', 'plan', { document })).body.changes).toEqual([]);
  });

  test('that would end live connections say how many', async () => {
    await server.database.db
      .insertInto('connections')
      .values({
        companion_id: server.shop.gatewayId,
        connection_key: 'boot:1:1',
        account_name: admin.account,
        session_id: admin.sessionId,
        serial: 1n,
        target_name: 'shop-production--web',
        started_at: server.clock.now,
      })
      .execute();
    const { body: document } = await ask('GET', 'document');
    expect((await ask('POST', 'plan', { document })).body.ends_connections).toBe(0);
    const gone = { ...document, projects: [] };
    const { body: seen } = await ask('POST', 'plan', { document: gone, prune: true });
    expect(seen.ends_connections).toBe(1);
    for (const switched of [
      { ...document, organization: { slug: 'acme', ssh_enabled: false } },
      { ...document, projects: [{ slug: 'shop', ssh_enabled: false }] },
    ]) {
      const { body } = await ask('POST', 'plan', { document: switched, prune: true });
      expect(body.ends_connections).toBe(1);
    }
  });

  test('that would leave no admin are refused, with all that they say', async () => {
    const { body: document } = await ask('GET', 'document');
    const nobody = { ...document, access_rules: [], projects: [] };
    const refused = { status: 403, body: { code: 'forbidden' } };
    expect(await ask('POST', 'plan', { document: nobody, prune: true })).toMatchObject(refused);
    const digest = await inRehearsal(server.database.db, async (tx) => {
      const parsed = inventoryDocument.parse(nobody);
      return (await planDocument(tx, server.shop.organizationId, parsed, { prune: true })).digest;
    });
    expect(await ask('POST', 'apply', { document: nobody, prune: true, digest })).toMatchObject(refused);
    expect(await targetByName(server.database.db, 'shop-production--web')).toBeDefined();
  });

  test.each([
    [
      'an account that there is not',
      { access_rules: [{ account: 'nobody@example.com', role: 'viewer' }] },
      'not_found',
    ],
    [
      'a rule that is over',
      { access_rules: [{ group: 'x', role: 'viewer', expires_at: '2020-01-01T00:00:00Z' }] },
      'request_malformed',
    ],
    ['a name that is gone', { projects: [{ slug: 'blog' }] }, 'name_taken'],
    ['a machine of another name', { hosts: [{ name: 'gate', address: 'x' }] }, 'name_taken'],
  ])('are refused as they are planned, and leave nothing: %s', async (_what, more, code) => {
    const before = await everythingStored(server.database);
    const document = { organization: { slug: 'acme' }, ...more };
    expect((await ask('POST', 'plan', { document })).body).toMatchObject({ code });
    const good = { organization: { slug: 'acme' }, projects: [{ slug: 'only-planned' }] };
    expect((await ask('POST', 'plan', { document: good })).body.changes).toHaveLength(1);
    expect(await everythingStored(server.database)).toBe(before);
  });
});

describe('who may', () => {
  test('not somebody who is no admin of the whole organization', async () => {
    const nobody = await server.person('contributor', 'contributor');
    const routes = server.app.routeList.filter(({ path }) => path.startsWith('/v1/inventory/'));
    expect(routes.length).toBeGreaterThan(35);
    for (const { method, path } of routes) {
      const url = path.replace(/:[a-z]+/g, 'shop').slice('/v1/inventory/'.length);
      const { status } = await ask(method as Method, url, method === 'GET' ? undefined : {}, nobody);
      expect([method, path, status]).toEqual([method, path, 403]);
    }
  });

  test('an API token with the role may do all of it; people need a fresh second factor where one is asked for', async () => {
    const robot = { ...admin, sessionId: await machineSession('token') };
    await organization({ mfa_required: true });
    try {
      const old = { ...admin, sessionId: await machineSession('helper') };
      const change = { ssh_enabled: true };
      expect(await ask('POST', 'projects/shop', change, old)).toMatchObject({
        status: 401,
        body: { code: 'insufficient_user_authentication' },
      });
      expect(await ask('GET', 'projects/shop', undefined, old)).toMatchObject({ status: 200 });
      expect(await ask('POST', 'projects/shop', change, robot)).toMatchObject({ status: 200 });
      expect(await ask('PUT', 'apps/shop.production.web/instances', { instances: [] }, robot)).toMatchObject({
        status: 200,
      });
    } finally {
      await organization({ mfa_required: false });
    }
  });

  test('a machine changes neither how people sign in nor who is an admin of the organization', async () => {
    const robot = { ...admin, sessionId: await machineSession('token') };
    const refused = { status: 403, body: { code: 'forbidden' } };
    const rule = { group: 'thieves', role: 'admin' };
    expect(await ask('POST', 'access-rules', rule, robot)).toMatchObject(refused);
    for (const more of [{ login_policy: { session_max_seconds: 600 } }, { access_rules: [rule] }]) {
      const document = { organization: { slug: 'acme' }, ...more };
      const { body: plan } = await ask('POST', 'plan', { document }, robot);
      expect(plan.changes).toHaveLength(1);
      const before = await everythingStored(server.database);
      expect(await ask('POST', 'apply', { document, digest: plan.digest }, robot)).toMatchObject(refused);
      expect(await everythingStored(server.database)).toBe(before);
      // A person may.
      expect(await ask('POST', 'apply', { document, digest: plan.digest })).toMatchObject({ status: 200 });
    }
    expect(await ask('POST', 'access-rules/remove', rule, robot)).toMatchObject(refused);
    const smaller = { group: 'ops', role: 'admin', project: 'shop' };
    expect(await ask('POST', 'access-rules', smaller, robot)).toMatchObject({ status: 201 });
  });

  const organization = (change: { mfa_required: boolean }) =>
    server.database.db
      .updateTable('organizations')
      .set(change)
      .where('id', '=', server.shop.organizationId)
      .execute();

  async function machineSession(kind: 'token' | 'helper'): Promise<string> {
    return await inTransaction(server.database.db, async (tx) => {
      const id = await startedSession(tx, admin.accountId, server.clock.now);
      await tx
        .updateTable('login_sessions')
        .set({ kind, mfa: false, mfa_by: null, ...(kind === 'token' ? { role_limit: 'admin' } : {}) })
        .where('id', '=', id)
        .execute();
      return id;
    });
  }
});

describe('reports', () => {
  test('instances are listed page by page, however they came', async () => {
    await ask('POST', 'apps', { name: 'shop.production.many' });
    const instances = Array.from({ length: 7 }, (_, number) => ({
      slug: `i${number}`,
      address: '10.1.0.1',
      login: 'app',
    }));
    const path = 'apps/shop.production.many/instances';
    expect((await ask('PUT', path, { instances })).body).toEqual({
      created: 7,
      changed: 0,
      removed: 0,
      unchanged: 0,
    });
    const names: string[] = [];
    let pages = 0;
    for (let after: string | null = ''; after !== null; pages += 1) {
      const query = `app=shop.production.many&limit=3${after && `&after=${after}`}`;
      const { body } = await ask('GET', `instances?${query}`);
      names.push(...body.instances.map(({ name }: { name: string }) => name));
      after = body.next;
    }
    expect(names).toEqual(instances.map(({ slug }) => `shop-production--many--${slug}`));
    expect(pages).toBe(3);
    expect((await ask('GET', 'instances?state=stopped')).body.instances).toEqual([]);
    expect(await ask('PATCH', 'instances/shop-production--many--i3', { state: 'stopped' })).toMatchObject({
      status: 200,
      body: { state: 'stopped', reported_by: 'orchestrator' },
    });
    expect((await ask('GET', 'instances?state=stopped')).body.instances).toHaveLength(1);
    // A reported one is its reporter's.
    expect(await ask('POST', 'instances/shop-production--many--i3', { port: 23 })).toMatchObject({
      status: 409,
      body: { code: 'still_used' },
    });
  });

  test('ten thousand instances are one request', async () => {
    await ask('POST', 'apps', { name: 'shop.production.crowd' });
    const instances = Array.from({ length: 10_000 }, (_, number) => ({
      slug: `task-${number}`,
      address: `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`,
      login: 'app',
      kind: 'task',
    }));
    const path = 'apps/shop.production.crowd/instances';
    expect((await ask('PUT', path, { instances })).body).toMatchObject({ created: 10_000 });
    expect((await ask('PUT', path, { instances })).body).toMatchObject({ unchanged: 10_000 });
    expect((await ask('PUT', path, { instances: [] })).body).toMatchObject({ removed: 10_000 });
    const twice = [instances[0], instances[0]];
    expect(await ask('PUT', path, { instances: twice })).toMatchObject({ status: 400 });
  });

  test('a host reports itself with its credential', async () => {
    const hostId = await inTransaction(server.database.db, (tx) =>
      createCompanion(tx, {
        organizationId: server.shop.organizationId,
        kind: 'host',
        name: 'self',
        address: '10.0.0.8',
        port: 22,
        gatewayLogin: null,
        environmentIds: [],
      }),
    );
    await ask('POST', 'apps', { name: 'shop.production.own' });
    await ask('POST', 'hosts/self', { announces: [{ app: 'shop.production.own', login: 'app' }] });
    const credential = await server.enrol(hostId);
    const report = (body: object, by = credential) =>
      server.call('POST', '/v1/companions/instances', { credential: by, body });
    expect((await report({ state: 'running' })).json()).toEqual({ targets: ['shop-production--own--self'] });
    expect((await ask('GET', 'instances?app=shop.production.own')).body.instances).toMatchObject([
      { name: 'shop-production--own--self', host: 'self', login: 'app', reported_by: 'companion' },
    ]);
    for (const chosen of [
      { slug: 'x' },
      { address: '10.0.0.1' },
      { login: 'root' },
      { app: 'shop.production.web' },
    ]) {
      expect((await report({ state: 'running', ...chosen })).statusCode).toBe(400);
    }
    const gateway = await server.enrol();
    expect((await report({ state: 'running' }, gateway)).statusCode).toBe(403);
    await ask('POST', 'hosts/self/remove');
    expect((await report({ state: 'running' })).statusCode).toBe(401);
    expect((await ask('GET', 'instances?app=shop.production.own')).body.instances).toEqual([]);
  });
});
