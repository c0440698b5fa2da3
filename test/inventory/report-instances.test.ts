import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Tx } from '../../src/database/database.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createApp } from '../../src/inventory/app.ts';
import { applyChanges } from '../../src/inventory/apply-changes.ts';
import { createCompanion } from '../../src/inventory/companion.ts';
import { listInstances } from '../../src/inventory/instance-documents.ts';
import { findItem } from '../../src/inventory/kinds/all-kinds.ts';
import { reportHost } from '../../src/inventory/report-host.ts';
import { patchInstance, replaceInstances } from '../../src/inventory/report-instances.ts';
import { targetByName } from '../../src/inventory/target.ts';
import type { InstanceOfApp } from '../../src/inventory/write-instances.ts';
import { readStateVersion } from '../../src/revocation/state-version.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { createShop, type Shop } from './shop.ts';

const now = new Date('2026-06-01T12:00:00Z');
const by = 'robot@example.com';

let database: FreshDatabase;
let shop: Shop;
beforeAll(async () => {
  database = await freshDatabase();
  shop = await write((tx) => createShop(tx, now));
});
afterAll(() => database.close());

const write = <T>(work: (tx: Tx) => Promise<T>) => inTransaction(database.db, work);
const version = async () => (await readStateVersion(database.db)).version;
const target = (name: string) => targetByName(database.db, name);
const lastEvent = async () =>
  await database.db
    .selectFrom('audit_events')
    .select(['event', 'facts'])
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirstOrThrow();

/** An app of its own for each test. */
let app: string;
let appId: string;
let apps = 0;
beforeEach(async () => {
  apps += 1;
  app = `app${apps}`;
  appId = await write((tx) => createApp(tx, { environmentId: shop.environmentId, slug: app }));
});

function instance(slug: string | null, more: Partial<InstanceOfApp['members']> = {}): InstanceOfApp {
  return {
    slug,
    members: {
      address: '10.0.0.1',
      port: 22,
      login: 'app',
      host: null,
      state: 'running',
      kind: 'instance',
      role: null,
      labels: {},
      ...more,
    },
  };
}
const report = (instances: readonly InstanceOfApp[]) =>
  write((tx) =>
    replaceInstances(
      { tx, organizationId: shop.organizationId, by, now },
      ['shop', 'production', app],
      instances,
    ),
  );
const listed = async () =>
  await listInstances(database.db, shop.organizationId, {
    app: ['shop', 'production', app],
    limit: 100_000,
  });

async function host(name: string): Promise<string> {
  return await write((tx) =>
    createCompanion(tx, {
      organizationId: shop.organizationId,
      kind: 'host',
      name,
      address: '10.0.0.9',
      port: 2222,
      gatewayLogin: null,
      environmentIds: [],
    }),
  );
}

async function mayAnnounce(name: string, announced: readonly string[]): Promise<void> {
  await write(async (tx) => {
    const before = await findItem(tx, shop.organizationId, 'host', name);
    if (before === undefined) throw new Error(name);
    const announces = announced.map((slug) => ({ app: `shop.production.${slug}`, login: 'app' }));
    const after = { ...before, members: { ...before.members, announces } };
    await applyChanges({ tx, organizationId: shop.organizationId, by, now }, [
      { action: 'change', before, after },
    ]);
  });
}

describe('an orchestrator', () => {
  test('replaces the instances of an app: those that come, that change, that go, and that stay as they are', async () => {
    expect(await report([instance('a'), instance('b'), instance('c')])).toEqual({
      created: 3,
      changed: 0,
      removed: 0,
      unchanged: 0,
    });
    const before = await listed();
    const moved = instance('b', { address: '10.0.0.2', state: 'starting', labels: { zone: 'x' } });
    expect(await report([instance('a'), moved, instance('d')])).toEqual({
      created: 1,
      changed: 1,
      removed: 1,
      unchanged: 1,
    });
    const after = await listed();
    expect(after.map(({ slug, address, state, labels }) => [slug, address, state, labels])).toEqual([
      ['a', '10.0.0.1', 'running', {}],
      ['b', '10.0.0.2', 'starting', { zone: 'x' }],
      ['d', '10.0.0.1', 'running', {}],
    ]);
    // What stays is the same, with the same numbers.
    expect(after[0]).toEqual(before[0]);
    expect(after[1]?.alias).toBe(before[1]?.alias);
    expect(await lastEvent()).toMatchObject({
      event: 'instances.reported',
      facts: { by, app: `shop.production.${app}`, created: 1, changed: 1, removed: 1 },
    });
  });

  test('that reports what is so already makes no event and no state for companions', async () => {
    await report([instance('a'), instance('b')]);
    const [before, event] = [await version(), await lastEvent()];
    expect(await report([instance('b'), instance('a')])).toMatchObject({ unchanged: 2 });
    expect(await version()).toBe(before);
    expect(await lastEvent()).toEqual(event);
  });

  test('may report ten thousand at once, and a few changes among them are one new state', async () => {
    const many = Array.from({ length: 10_000 }, (_, number) =>
      instance(`task-${number}`, { kind: 'task', labels: { shard: String(number % 7) } }),
    );
    expect(await report(many)).toMatchObject({ created: 10_000 });
    const numbers = await database.db
      .selectFrom('instances')
      .select(({ fn }) => [
        fn.count<string>('gateway_uid').distinct().as('uids'),
        fn.count<string>('node_number').distinct().as('nodes'),
      ])
      .where('app_id', '=', appId)
      .executeTakeFirst();
    expect(numbers).toEqual({ uids: '10000', nodes: '10000' });
    const fewer = many.slice(10).map((one, index) => (index === 5 ? instance(one.slug) : one));
    expect(await report(fewer)).toEqual({ created: 0, changed: 1, removed: 10, unchanged: 9989 });
    const { facts } = await lastEvent();
    expect((facts as { names: unknown[] }).names).toHaveLength(11);
    expect(await report([])).toMatchObject({ removed: 9990 });
  });

  test('is refused with all that it says if one name is taken, or one host is not there', async () => {
    await report([instance('a')]);
    // shop + production-x and shop-production + x give the same names.
    await expect(report([instance('a'), instance('b', { host: 'none' })])).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringContaining('"none"'),
    });
    expect((await listed()).map(({ slug }) => slug)).toEqual(['a']);
  });

  test('puts no more instances on a host than its certificate can name', async () => {
    await host(`full-${app}`);
    const on = (count: number) =>
      Array.from({ length: count }, (_, number) => instance(`i${number}`, { host: `full-${app}` }));
    await expect(report(on(32))).rejects.toMatchObject({ code: 'request_malformed' });
    expect(await report(on(31))).toMatchObject({ created: 31 });
  });

  test('says in which state one is, and what it does not say stays', async () => {
    await report([instance('a', { labels: { zone: 'x' } })]);
    const name = `shop-production--${app}--a`;
    const patch = (state: 'paused') =>
      write((tx) => patchInstance({ tx, organizationId: shop.organizationId, by, now }, name, { state }));
    const before = await version();
    await patch('paused');
    expect(await listed()).toMatchObject([{ state: 'paused', labels: { zone: 'x' } }]);
    const after = await version();
    expect(after).toBeGreaterThan(before);
    await patch('paused');
    expect(await version()).toBe(after);
  });
});

describe('a host', () => {
  test('that may announce an app is an instance of it, under its own name, address and the admin’s login', async () => {
    const name = `web-${app}`;
    const hostId = await host(name);
    await mayAnnounce(name, [app]);
    const targets = await write((tx) => reportHost(tx, hostId, { state: 'running' }, now));
    expect(targets).toEqual([`shop-production--${app}--${name}`]);
    expect(await target(targets[0] ?? '')).toMatchObject({
      address: '10.0.0.9',
      port: 2222,
      login: 'app',
      state: 'running',
    });
    // Once more is no news; another state is.
    const before = await version();
    await write((tx) => reportHost(tx, hostId, { state: 'running' }, now));
    expect(await version()).toBe(before);
    await write((tx) => reportHost(tx, hostId, { state: 'stopped', labels: { zone: 'y' } }, now));
    expect(await listed()).toMatchObject([
      { state: 'stopped', labels: { zone: 'y' }, reported_by: 'companion' },
    ]);
    expect(await version()).toBeGreaterThan(before);
    // An orchestrator leaves it where it is, and does not take its name.
    await report([instance('other')]);
    expect((await listed()).map(({ slug }) => slug)).toEqual(['other', name]);
    await expect(report([instance(name)])).rejects.toMatchObject({ code: 'name_taken' });
    // An admin who takes the app away takes the instance away.
    await mayAnnounce(name, []);
    expect((await listed()).map(({ slug }) => slug)).toEqual(['other']);
  });

  test('that may announce nothing is nothing, and changes of others’ instances no more than their state', async () => {
    const name = `db-${app}`;
    const hostId = await host(name);
    expect(await write((tx) => reportHost(tx, hostId, { state: 'running' }, now))).toEqual([]);
    await report([instance('a', { host: name, labels: { zone: 'x' } }), instance('b')]);
    await write((tx) => reportHost(tx, hostId, { state: 'stopped', labels: { zone: 'mine' } }, now));
    expect(await listed()).toMatchObject([
      { slug: 'a', state: 'stopped', labels: { zone: 'x' }, address: '10.0.0.1' },
      { slug: 'b', state: 'running' },
    ]);
  });

  test('does not take over an instance of its name that somebody else made', async () => {
    const name = `taken-${app}`;
    const hostId = await host(name);
    await report([instance(name)]);
    await mayAnnounce(name, [app]);
    expect(await write((tx) => reportHost(tx, hostId, { state: 'stopped' }, now))).toEqual([]);
    expect(await listed()).toMatchObject([{ slug: name, state: 'running', host: null }]);
  });

  test('may report; a gateway may not', async () => {
    await expect(
      write((tx) => reportHost(tx, shop.gatewayId, { state: 'running' }, now)),
    ).rejects.toMatchObject({ code: 'forbidden' });
  });
});
