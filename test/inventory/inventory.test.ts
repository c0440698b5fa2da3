import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Tx } from '../../src/database/database.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createAccessRule, rulesForAccount, rulesOfOrganization } from '../../src/inventory/access-rules.ts';
import { createApp } from '../../src/inventory/app.ts';
import { createCompanion } from '../../src/inventory/companion.ts';
import { createEnvironment } from '../../src/inventory/environment.ts';
import { createInstance, type NewInstance, updateInstanceAddress } from '../../src/inventory/instance.ts';
import { createOrganization } from '../../src/inventory/organization.ts';
import { createProject } from '../../src/inventory/project.ts';
import { targetByName, targetsOfCompanion, targetsOfOrganization } from '../../src/inventory/target.ts';
import { readStateVersion } from '../../src/revocation/state-version.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { createShop, type Shop } from './shop.ts';

const now = new Date('2026-06-01T12:00:00Z');

let database: FreshDatabase;
let shop: Shop;
let other: Shop;
beforeAll(async () => {
  database = await freshDatabase();
  await inTransaction(database.db, async (tx) => {
    shop = await createShop(tx, now);
    other = await createShop(tx, now, {
      organization: 'other',
      domain: 'other.example',
      project: 'elsewhere',
      gateway: 'other-gate',
    });
  });
});
afterAll(() => database.close());

const write = <T>(work: (tx: Tx) => Promise<T>) => inTransaction(database.db, work);
const instance = (more: Partial<NewInstance> = {}) =>
  write((tx) =>
    createInstance(tx, {
      appId: shop.appId,
      instanceSlug: 'one',
      address: 'web.example.com',
      port: 22,
      login: 'deploy',
      hostId: null,
      ...more,
    }),
  );

describe('a target', () => {
  test('is found by its composed name with everything above it', async () => {
    expect(await targetByName(database.db, 'shop-production--web')).toEqual({
      targetName: 'shop-production--web',
      organization: 'acme',
      project: 'shop',
      environment: 'production',
      app: 'web',
      environmentKind: 'production',
      mfaRequired: true,
      mfaMaxAgeSeconds: 900,
      peopleOnly: false,
      accessMode: 'both',
      sshRole: 'contributor',
      sshEnabled: { organization: true, project: true, environment: true, app: true },
      state: 'running',
      address: '10.1.2.3',
      port: 22,
      login: 'deploy',
      mfaEnforcement: 'start',
      maxConnectionSeconds: null,
      idleTimeoutSeconds: null,
      forwarding: { local: true, remote: false, agent: false },
      nodeNumber: 100_000,
      instance: null,
      instanceKind: 'instance',
      instanceRole: null,
      host: null,
      folder: null,
      envFile: null,
      journalUnit: null,
      gatewayUid: expect.any(Number),
      organizationId: shop.organizationId,
    });
  });

  test('that does not exist is undefined', async () => {
    expect(await targetByName(database.db, 'shop-production--nothing')).toBeUndefined();
    expect(await targetByName(database.db, "'; drop table instances; --")).toBeUndefined();
  });

  test('has a gateway uid of its own, above those of people', async () => {
    await instance({ instanceSlug: 'uid' });
    const uids = (await targetsOfOrganization(database.db, shop.organizationId)).map(
      (target) => target.gatewayUid,
    );
    expect(new Set(uids).size).toBe(uids.length);
    expect(Math.min(...uids)).toBeGreaterThanOrEqual(600_000);
  });

  test('of one organization is not listed in another', async () => {
    const names = (await targetsOfOrganization(database.db, other.organizationId)).map(
      (target) => target.targetName,
    );
    expect(names).toEqual(['elsewhere-production--web']);
  });

  test('is told to the gateways of its environment and to its host, and to no other', async () => {
    const hostId = await write((tx) =>
      createCompanion(tx, {
        organizationId: shop.organizationId,
        kind: 'host',
        name: 'machine',
        address: '10.1.2.4',
        port: 22,
        gatewayLogin: null,
        // Means nothing for a host.
        environmentIds: [shop.environmentId],
      }),
    );
    await instance({ instanceSlug: 'hosted', hostId });
    const namesFor = async (companionId: string) =>
      (await targetsOfCompanion(database.db, companionId)).map((target) => target.targetName);
    expect(await namesFor(hostId)).toEqual(['shop-production--web--hosted']);
    expect(await namesFor(shop.gatewayId)).toEqual(
      expect.arrayContaining(['shop-production--web', 'shop-production--web--hosted']),
    );
    expect(await namesFor(other.gatewayId)).toEqual(['elsewhere-production--web']);
  });

  test('is refused on a host whose certificate could not name one more', async () => {
    const hostId = await write((tx) =>
      createCompanion(tx, {
        organizationId: shop.organizationId,
        kind: 'host',
        name: 'crowded',
        address: '10.1.2.5',
        port: 22,
        gatewayLogin: null,
        environmentIds: [],
      }),
    );
    const crowd = Array.from({ length: 32 }, (_, number) =>
      instance({ instanceSlug: `crowd${number}`, hostId }),
    );
    const refused = (await Promise.allSettled(crowd)).filter(({ status }) => status === 'rejected');
    expect(refused).toEqual([
      { status: 'rejected', reason: expect.objectContaining({ code: 'request_malformed' }) },
    ]);
    expect(await targetsOfCompanion(database.db, hostId)).toHaveLength(31);
  });

  test('moves only by a real change of address', async () => {
    const before = await readStateVersion(database.db);
    await write((tx) => updateInstanceAddress(tx, shop.instanceId, { address: '10.1.2.3', port: 22 }));
    expect(await readStateVersion(database.db)).toEqual(before);
    await write((tx) => updateInstanceAddress(tx, shop.instanceId, { address: '10.1.2.3', port: 2200 }));
    expect((await targetByName(database.db, 'shop-production--web'))?.port).toBe(2200);
    expect((await readStateVersion(database.db)).version).toBeGreaterThan(before.version);
    await write((tx) => updateInstanceAddress(tx, shop.instanceId, { address: '10.1.2.3', port: 22 }));
  });
});

describe('names', () => {
  test('a target name that is taken is refused, though it is composed of other parts', async () => {
    // shop + a-production and shop-a + production give the same name.
    const clash = async (project: string, environment: string) =>
      await write(async (tx) => {
        const projectId = await createProject(tx, { organizationId: shop.organizationId, slug: project });
        const environmentId = await createEnvironment(tx, {
          projectId,
          slug: environment,
          kind: 'production',
        });
        const appId = await createApp(tx, { environmentId, slug: 'web' });
        await createInstance(tx, {
          appId,
          instanceSlug: null,
          address: '10.0.0.1',
          port: 22,
          login: 'deploy',
          hostId: null,
        });
      });
    await clash('store', 'a-production');
    await expect(clash('store-a', 'production')).rejects.toMatchObject({
      code: 'name_taken',
      message: expect.stringContaining('store-a-production--web'),
    });
    const projects = await database.db
      .selectFrom('projects')
      .select('slug')
      .where('slug', '=', 'store-a')
      .execute();
    expect(projects).toEqual([]);
  });

  test.each(['', 'Shop', 'sh op', 'shop--a', '-shop', 'shop-', 'shöp', 'shop\n', 'a,b', 'a'.repeat(41)])(
    '%j is no name of a project',
    async (slug) => {
      const create = write((tx) => createProject(tx, { organizationId: shop.organizationId, slug }));
      await expect(create).rejects.toMatchObject({ code: 'name_refused' });
    },
  );

  test('a target name over 63 characters is refused, naming it', async () => {
    const slug = 'i'.repeat(40);
    await write((tx) =>
      createApp(tx, { environmentId: shop.environmentId, slug: 'app-with-a-long-name' }),
    ).then((appId) =>
      expect(instance({ appId, instanceSlug: slug })).rejects.toMatchObject({
        code: 'name_refused',
        message: expect.stringContaining(slug),
      }),
    );
  });

  test.each([
    ['organization', (tx: Tx) => createOrganization(tx, { slug: 'acme', name: '', domains: [] })],
    ['domain', (tx: Tx) => createOrganization(tx, { slug: 'thief', name: '', domains: ['example.com'] })],
    ['project', (tx: Tx) => createProject(tx, { organizationId: shop.organizationId, slug: 'shop' })],
    [
      'environment',
      (tx: Tx) =>
        createEnvironment(tx, { projectId: shop.projectId, slug: 'production', kind: 'production' }),
    ],
    ['app', (tx: Tx) => createApp(tx, { environmentId: shop.environmentId, slug: 'web' })],
    [
      'companion',
      (tx: Tx) =>
        createCompanion(tx, {
          organizationId: other.organizationId,
          kind: 'host',
          name: 'gate',
          address: 'a',
          port: 22,
          gatewayLogin: null,
          environmentIds: [],
        }),
    ],
  ])('a second %s of one name is refused', async (_noun, create) => {
    await expect(write(create)).rejects.toMatchObject({ name: 'SallyportError', code: 'name_taken' });
  });
});

describe('addresses', () => {
  test.each([
    '',
    '-oProxyCommand=x',
    'a b',
    'a\nProxyCommand x',
    'a;b',
    '$(id)',
    '%h',
    '"a"',
    'a'.repeat(300),
  ])('%j is none', async (address) => {
    await expect(instance({ address })).rejects.toMatchObject({ code: 'name_refused' });
    const move = write((tx) => updateInstanceAddress(tx, shop.instanceId, { address, port: 22 }));
    await expect(move).rejects.toMatchObject({ code: 'name_refused' });
  });
  test.each([0, -1, 65_536, 1.5, Number.NaN])('%d is no port', async (port) => {
    await expect(instance({ port })).rejects.toMatchObject({ code: 'name_refused' });
  });
  test.each(['', 'Root', 'a b', '-x', 'a'.repeat(33)])('%j is no login', async (login) => {
    await expect(instance({ login })).rejects.toMatchObject({ code: 'name_refused' });
  });
});

test('an MFA age of nothing is refused', async () => {
  const create = write((tx) =>
    createEnvironment(tx, { projectId: shop.projectId, slug: 'none', kind: 'staging', mfaMaxAgeSeconds: 0 }),
  );
  await expect(create).rejects.toMatchObject({ code: 'request_malformed' });
});

describe('parts of two organizations never mix:', () => {
  test.each<[string, (tx: Tx) => Promise<unknown>]>([
    [
      'a gateway for a foreign environment',
      (tx) =>
        createCompanion(tx, {
          organizationId: shop.organizationId,
          kind: 'gateway',
          name: 'greedy',
          address: 'a',
          port: 22,
          gatewayLogin: null,
          environmentIds: [shop.environmentId, other.environmentId],
        }),
    ],
    [
      'an instance on a foreign host',
      (tx) =>
        createInstance(tx, {
          appId: shop.appId,
          instanceSlug: 'x',
          address: 'a',
          port: 22,
          login: 'deploy',
          hostId: other.gatewayId,
        }),
    ],
    [
      'a rule for a foreign account',
      (tx) =>
        createAccessRule(tx, {
          organizationId: shop.organizationId,
          subject: { accountId: other.accountId },
          role: 'admin',
        }),
    ],
    [
      'a rule on a foreign project',
      (tx) =>
        createAccessRule(tx, {
          organizationId: shop.organizationId,
          subject: { group: 'g' },
          role: 'admin',
          projectId: other.projectId,
        }),
    ],
    [
      'a rule on a foreign environment',
      (tx) =>
        createAccessRule(tx, {
          organizationId: shop.organizationId,
          subject: { group: 'g' },
          role: 'admin',
          projectId: shop.projectId,
          environmentId: other.environmentId,
        }),
    ],
  ])('%s is refused', async (_what, create) => {
    await expect(write(create)).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('access rules', () => {
  beforeEach(() => database.db.deleteFrom('access_rules').execute());

  test('of an account are those that name it or a group that it is in, with their scope', async () => {
    const { organizationId, projectId, environmentId, accountId } = shop;
    await write(async (tx) => {
      const rule = { organizationId, role: 'viewer' } as const;
      await createAccessRule(tx, { ...rule, subject: { accountId }, role: 'admin' });
      await createAccessRule(tx, {
        ...rule,
        subject: { group: 'developers' },
        projectId,
        environmentId,
        expiresAt: new Date('2026-06-01T13:00:00.900Z'),
      });
      await createAccessRule(tx, { ...rule, subject: { group: 'Developers' } });
      await createAccessRule(tx, {
        organizationId: other.organizationId,
        subject: { group: 'developers' },
        role: 'admin',
      });
    });
    const organization = 'acme';
    const rules = await rulesForAccount(database.db, accountId);
    expect(rules).toHaveLength(2);
    expect(rules).toContainEqual({
      subject: { account: 'alice@example.com' },
      role: 'admin',
      organization,
      project: null,
      environment: null,
      expiresAtSeconds: null,
    });
    expect(rules).toContainEqual({
      subject: { group: 'developers' },
      role: 'viewer',
      organization,
      project: 'shop',
      environment: 'production',
      expiresAtSeconds: Date.parse('2026-06-01T13:00:00Z') / 1000,
    });
    expect(await rulesOfOrganization(database.db, organizationId)).toHaveLength(3);
  });

  test('for a group without a name are refused', async () => {
    const create = write((tx) =>
      createAccessRule(tx, { organizationId: shop.organizationId, subject: { group: '' }, role: 'admin' }),
    );
    await expect(create).rejects.toMatchObject({ code: 'name_refused' });
  });
});

test('every write is on record and makes a new state version', async () => {
  const before = await readStateVersion(database.db);
  await instance({ instanceSlug: 'recorded' });
  expect((await readStateVersion(database.db)).version).toBeGreaterThan(before.version);
  const last = await database.db
    .selectFrom('audit_events')
    .select(['event', 'organization_id', 'facts'])
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
  expect(last).toEqual({
    event: 'inventory.changed',
    organization_id: shop.organizationId,
    facts: { change: 'instance created', name: 'shop-production--web--recorded' },
  });
});
