import { afterAll, beforeAll, expect, test } from 'vitest';
import { sshConfiguration } from '../../src/api/ssh-configuration.ts';
import { type TargetsReply, targetsReply } from '../../src/api/targets.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createAccessRule } from '../../src/inventory/access-rules.ts';
import { createApp } from '../../src/inventory/app.ts';
import { createInstance } from '../../src/inventory/instance.ts';
import { isTargetName } from '../../src/ssh/names.ts';
import { createShop } from '../inventory/shop.ts';
import { startTestServer, type TestPerson, type TestServer } from './test-server.ts';

let server: TestServer;
let admin: TestPerson;
let viewer: TestPerson;
let nobody: TestPerson;
const target = 'shop-production--web';

beforeAll(async () => {
  server = await startTestServer();
  admin = await server.person('admin', 'admin');
  viewer = await server.person('viewer', 'viewer');
  nobody = await server.person('nobody', null);
  const other = await inTransaction(server.database.db, (tx) =>
    createShop(tx, server.clock.now, {
      organization: 'other',
      domain: 'other.example',
      project: 'mine',
      gateway: 'far',
    }),
  );
  await server.enrol();
  await server.enrol(other.gatewayId);
  const { db } = server.database;
  await db
    .updateTable('companions')
    .set({ ports: [443, 2222, 22] })
    .where('name', '=', 'gate')
    .execute();
  await db
    .updateTable('instances')
    .set({ role: 'web', labels: JSON.stringify({ zone: 'a' }) })
    .where('target_name', '=', target)
    .execute();
});
afterAll(() => server.close());

async function targets(as: TestPerson, query = ''): Promise<TargetsReply> {
  return targetsReply.parse((await server.call('GET', `/v1/targets${query}`, { as })).json());
}

async function newInstance(appId: string, instanceSlug: string | null): Promise<void> {
  const place = { address: '10.1.2.4', port: 22, login: 'deploy', hostId: null };
  await inTransaction(server.database.db, (tx) => createInstance(tx, { appId, instanceSlug, ...place }));
}

test('a target is told with its ids, its state, its ways and whether it would let one in', async () => {
  const row = await server.database.db
    .selectFrom('instances')
    .select(['node_number', 'gateway_uid'])
    .where('target_name', '=', target)
    .executeTakeFirstOrThrow();
  const reply = await targets(admin);
  expect(reply).toEqual({
    account: admin.account,
    targets: [
      {
        name: target,
        alias: `${row.node_number}-${row.gateway_uid}`,
        number: row.node_number,
        organization: 'acme',
        project: 'shop',
        environment: 'production',
        environment_kind: 'production',
        app: 'web',
        instance: null,
        kind: 'instance',
        role: 'web',
        labels: { zone: 'a' },
        state: 'running',
        address: '10.1.2.3',
        port: 22,
        login: 'deploy',
        journal_unit: null,
        gateways: ['gate'],
        access: 'both',
        ways: ['jump'],
        narrowed: true,
        fingerprint: null,
        allowed: true,
        reason: null,
        command: null,
      },
    ],
    gateways: [
      {
        name: 'gate',
        address: 'gate.example.com',
        ports: [2222, 443, 22],
        login: null,
        fingerprint: expect.stringMatching(/^SHA256:/),
      },
    ],
    empty_apps: [],
    next: null,
  });
});

test('the ssh configuration names every port of the gateway', async () => {
  const reply = await server.call('GET', '/v1/ssh-configuration', { as: admin });
  const [gateway] = sshConfiguration.parse(reply.json()).gateways;
  expect(gateway).toMatchObject({ port: 2222, ports: [443, 22] });
});

test('who may look but not get in is told why', async () => {
  const [seen] = (await targets(viewer)).targets;
  expect(seen).toMatchObject({ allowed: false, reason: { code: 'role_insufficient' }, command: null });
});

test('who has no role sees nothing, not even of another organization', async () => {
  expect(await targets(nobody)).toMatchObject({ targets: [], gateways: [], empty_apps: [], next: null });
});

test('an app without instances is told of, to those alone who have a role there', async () => {
  const { environmentId, organizationId, projectId } = server.shop;
  await inTransaction(server.database.db, async (tx) => {
    await createApp(tx, { environmentId, slug: 'cron' });
  });
  expect((await targets(viewer)).empty_apps).toEqual(['shop-production--cron']);
  expect((await targets(nobody)).empty_apps).toEqual([]);
  const late = await server.person('late', null);
  const { accountId } = late;
  const expiresAt = new Date(server.clock.now.getTime() - 1000);
  await inTransaction(server.database.db, (tx) =>
    createAccessRule(tx, { organizationId, projectId, subject: { accountId }, role: 'admin', expiresAt }),
  );
  expect(await targets(late)).toMatchObject({ targets: [], empty_apps: [] });
});

test('pages follow each other by name without a gap, whatever the database thinks of hyphens', async () => {
  const { environmentId } = server.shop;
  const names = ['a-b', 'ab', 'a-c', 'a1', 'a'];
  for (const slug of names) {
    const id = await inTransaction(server.database.db, (tx) => createApp(tx, { environmentId, slug }));
    await newInstance(id, null);
  }
  const whole = await targets(admin);
  expect(whole.targets.map(({ name }) => name)).toEqual(
    [target, ...names.map((name) => `shop-production--${name}`)].sort(),
  );
  const found: string[] = [];
  let after: string | null = null;
  do {
    const page: TargetsReply = await targets(admin, `?limit=2${after === null ? '' : `&after=${after}`}`);
    expect(page.targets.length).toBeLessThanOrEqual(2);
    expect(page.empty_apps).toEqual(page.next === null ? ['shop-production--cron'] : []);
    found.push(...page.targets.map(({ name }) => name));
    after = page.next;
  } while (after !== null);
  expect(found).toEqual(whole.targets.map(({ name }) => name));
  expect(found.every(isTargetName)).toBe(true);
});

test('what has not changed is not sent again', async () => {
  const first = await server.call('GET', '/v1/targets', { as: admin });
  const tag = String(first.headers.etag);
  const again = async () =>
    (await server.call('GET', '/v1/targets', { as: admin, headers: { 'if-none-match': `"x", ${tag}` } }))
      .statusCode;
  expect(await again()).toBe(304);
  await newInstance(server.shop.appId, 'second');
  expect(await again()).toBe(200);
});

test.each(['limit=0', 'limit=2001', 'limit=x', 'after=%2e%2e', 'project=shop'])(
  'a query of %s is refused',
  async (query) => {
    expect((await server.call('GET', `/v1/targets?${query}`, { as: admin })).statusCode).toBe(400);
  },
);
