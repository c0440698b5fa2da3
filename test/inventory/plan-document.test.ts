import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type InventoryDocument, inventoryDocument } from '../../src/api/inventory-document.ts';
import type { Tx } from '../../src/database/database.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createOrganization } from '../../src/inventory/organization.ts';
import { applyDocument, exportDocument, planDocument } from '../../src/inventory/plan-document.ts';
import { replaceInstances } from '../../src/inventory/report-instances.ts';
import { targetByName } from '../../src/inventory/target.ts';
import { readStateVersion } from '../../src/revocation/state-version.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { holds } from '../property/holds.ts';
import { arbitraryDocument } from './arbitrary-document.ts';

const now = new Date('2026-06-01T12:00:00Z');

let database: FreshDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

let organizations = 0;

/** An organization of its own for a test. */
async function organization(): Promise<Site> {
  organizations += 1;
  const slug = `org${organizations}`;
  const id = await write((tx) => createOrganization(tx, { slug, name: slug, domains: [`${slug}.example`] }));
  return new Site(id, slug);
}

const write = <T>(work: (tx: Tx) => Promise<T>) => inTransaction(database.db, work);

class Site {
  readonly id: string;
  readonly slug: string;

  constructor(id: string, slug: string) {
    this.id = id;
    this.slug = slug;
  }

  document(more: object = {}): InventoryDocument {
    return inventoryDocument.parse({ organization: { slug: this.slug }, ...more });
  }

  plan(document: InventoryDocument, prune = false) {
    return write((tx) => planDocument(tx, this.id, document, { prune }));
  }

  async apply(document: InventoryDocument, prune = false) {
    const { digest } = await this.plan(document, prune);
    return await this.applyAs(document, { prune, digest });
  }

  applyAs(document: InventoryDocument, how: { prune: boolean; digest: string }) {
    return write((tx) =>
      applyDocument({ tx, organizationId: this.id, by: 'alice@example.com', now }, document, how),
    );
  }

  export() {
    return exportDocument(database.db, this.id);
  }

  async summary(document: InventoryDocument, prune = false): Promise<string[]> {
    const { changes } = await this.plan(document, prune);
    return changes.map(
      ({ action, before, after }) => `${action} ${(after ?? before).kind} ${(after ?? before).name}`,
    );
  }
}

const version = async () => (await readStateVersion(database.db)).version;
const events = async (organizationId: string) =>
  await database.db
    .selectFrom('audit_events')
    .select(['event', 'facts'])
    .where('organization_id', '=', organizationId)
    .orderBy('id')
    .execute();

/** A shop with everything once, with names of its own in the installation. */
function shop(prefix: string) {
  return {
    gateways: [{ name: `${prefix}-gate`, address: 'gate.example.com', ports: [443] }],
    hosts: [{ name: `${prefix}-host`, address: '10.0.0.9' }],
    access_rules: [{ group: 'admins', role: 'admin' }],
    projects: [
      {
        slug: `${prefix}-shop`,
        environments: [
          {
            slug: 'production',
            kind: 'production',
            mfa_required: true,
            gateways: [`${prefix}-gate`],
            services: [{ slug: 'db', kind: 'postgresql', address: '10.0.0.2', port: 5432 }],
            apps: [
              {
                slug: 'web',
                folder: '/srv/web',
                instances: [
                  { slug: 'a', address: '10.0.0.3', login: 'web', host: `${prefix}-host` },
                  { slug: 'b', address: '10.0.0.4', login: 'web' },
                ],
              },
            ],
          },
        ],
      },
    ],
  };
}

type Shop = ReturnType<typeof shop>;
/** The shop with its one environment, or its one app, changed. */
function changed(given: Shop, { environment = {}, app = {} }: { environment?: object; app?: object }) {
  const [project] = given.projects;
  const [production] = project?.environments ?? [];
  const [web] = production?.apps ?? [];
  const apps = [{ ...web, ...app }];
  return { ...given, projects: [{ ...project, environments: [{ ...production, apps, ...environment }] }] };
}

describe('what is exported', () => {
  test('and applied again changes nothing, pruned or not; elsewhere it makes the same', async () => {
    await holds(8, [arbitraryDocument('drawn')], async (drawn) => {
      await inOwnDatabase(async (site) => {
        await site.apply(drawn);
        const exported = inventoryDocument.parse(JSON.parse(JSON.stringify(await site.export())));
        for (const prune of [false, true]) {
          expect(await site.plan(exported, prune)).toMatchObject({ changes: [], notInFile: [] });
          expect(await site.plan(drawn, prune)).toMatchObject({ changes: [] });
        }
        return exported;
      }).then((exported) =>
        inOwnDatabase(async (site) => {
          await site.apply(exported, true);
          expect(await site.export()).toEqual(exported);
        }),
      );
    });
  });

  /** All names are free again afterwards. */
  async function inOwnDatabase<T>(work: (site: Site) => Promise<T>): Promise<T> {
    const done = new Error('rolled back on purpose');
    let result: { value: T } | undefined;
    await inTransaction(database.db, async (tx) => {
      const id = await createOrganization(tx, { slug: 'drawn', name: 'Drawn', domains: ['drawn.example'] });
      const site = new Site(id, 'drawn');
      site.plan = (document, prune = false) => planDocument(tx, id, document, { prune });
      site.applyAs = (document, how) =>
        applyDocument({ tx, organizationId: id, by: 'alice@drawn.example', now }, document, how);
      site.export = () => exportDocument(tx, id);
      result = { value: await work(site) };
      throw done;
    }).catch((error) => {
      if (error !== done) throw error;
    });
    if (result === undefined) throw new Error('nothing was done');
    return result.value;
  }
});

describe('a plan', () => {
  test('names what it makes before what names it, and an applied one is empty', async () => {
    const site = await organization();
    const document = site.document(shop('one'));
    expect(await site.summary(document)).toEqual([
      'create gateway one-gate',
      'create project one-shop',
      'create environment one-shop.production',
      'create service one-shop.production.db',
      'create app one-shop.production.web',
      'create host one-host',
      'create instance one-shop-production--web--a',
      'create instance one-shop-production--web--b',
      'create access_rule admin for group admins',
    ]);
    await site.apply(document);
    expect(await site.plan(document)).toMatchObject({ changes: [], notInFile: [] });
    expect(await targetByName(database.db, 'one-shop-production--web--a')).toMatchObject({
      mfaRequired: true,
      mfaMaxAgeSeconds: 900,
      folder: '/srv/web',
      forwarding: { local: true, remote: false, agent: false },
    });
  });

  test('leaves alone what the document does not say, and says what a change was and is', async () => {
    const site = await organization();
    await site.apply(site.document(shop('two')));
    const document = site.document({
      projects: [
        {
          slug: 'two-shop',
          environments: [
            { slug: 'production', kind: 'production', ssh_enabled: false, max_connection_seconds: 3600 },
          ],
        },
      ],
    });
    const { changes, notInFile } = await site.plan(document);
    expect(notInFile).toEqual([]);
    expect(changes).toMatchObject([
      {
        action: 'change',
        before: { members: { ssh_enabled: true, max_connection_seconds: null, mfa_required: true } },
        after: { members: { ssh_enabled: false, max_connection_seconds: 3600, mfa_required: true } },
      },
    ]);
    await site.apply(document);
    const last = (await events(site.id)).at(-1);
    expect(last).toMatchObject({
      event: 'inventory.changed',
      facts: {
        change: 'environment changed',
        name: 'two-shop.production',
        by: 'alice@example.com',
        before: { ssh_enabled: true, max_connection_seconds: null },
        after: { ssh_enabled: false, max_connection_seconds: 3600 },
      },
    });
  });

  test('lists what it does not name, and removes it only if it is to be pruned', async () => {
    const site = await organization();
    const whole = shop('three');
    await site.apply(site.document(whole));
    const less = site.document(changed(whole, { environment: { services: [], apps: [] } }));
    const { changes, notInFile } = await site.plan(less);
    expect(changes).toEqual([]);
    expect(notInFile.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'service three-shop.production.db',
      'app three-shop.production.web',
      'instance three-shop-production--web--a',
      'instance three-shop-production--web--b',
    ]);
    await site.apply(less);
    expect(await targetByName(database.db, 'three-shop-production--web--a')).toBeDefined();
    expect(await site.summary(less, true)).toEqual([
      'remove instance three-shop-production--web--b',
      'remove instance three-shop-production--web--a',
      'remove app three-shop.production.web',
      'remove service three-shop.production.db',
    ]);
    await site.apply(less, true);
    expect(await site.plan(less, true)).toMatchObject({ changes: [], notInFile: [] });
    expect(await targetByName(database.db, 'three-shop-production--web--a')).toBeUndefined();
  });

  test('takes the rules on a place with it, and refuses a document that still names it', async () => {
    const site = await organization();
    const whole = shop('four');
    const onProduction = { group: 'ops', role: 'viewer', project: 'four-shop', environment: 'production' };
    await site.apply(site.document({ ...whole, access_rules: [...whole.access_rules, onProduction] }));
    const empty = { projects: [{ slug: 'four-shop', environments: [] }] };
    expect(await site.summary(site.document(empty), true)).toContain(
      'remove access_rule viewer for group ops on four-shop.production',
    );
    const still = { ...empty, access_rules: [...whole.access_rules, onProduction] };
    await expect(site.plan(site.document(still), true)).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringContaining('environment "four-shop.production"'),
    });
    await site.apply(site.document(empty), true);
    expect((await site.export()).access_rules).toEqual([{ group: 'admins', role: 'admin' }]);
  });

  test.each([
    ['a gateway', { environment: { gateways: ['none'] } }],
    ['a host', { app: { instances: [{ address: '10.0.0.3', login: 'web', host: 'none' }] } }],
  ])('is refused if it names %s that there is not', async (_what, change) => {
    const site = await organization();
    const whole = changed(shop(`none${organizations}`), change);
    await expect(site.plan(site.document(whole))).rejects.toMatchObject({ code: 'not_found' });
  });

  test('of another organization or with other domains is refused', async () => {
    const site = await organization();
    const other = inventoryDocument.parse({ organization: { slug: 'acme' } });
    await expect(site.plan(other)).rejects.toMatchObject({ code: 'forbidden' });
    const domains = inventoryDocument.parse({
      organization: { slug: site.slug, domains: ['thief.example'] },
    });
    await expect(site.plan(domains)).rejects.toMatchObject({ code: 'forbidden' });
  });
});

describe('applying', () => {
  test('does nothing if the inventory has changed so that the plan would be another', async () => {
    const site = await organization();
    const document = site.document(shop('five'));
    const { digest } = await site.plan(document);
    await site.apply(site.document({ gateways: [{ name: 'five-gate', address: 'elsewhere.example.com' }] }));
    const before = await version();
    await expect(site.applyAs(document, { prune: false, digest })).rejects.toMatchObject({
      code: 'plan_outdated',
    });
    await expect(
      site.applyAs(document, { prune: true, digest: (await site.plan(document)).digest }),
    ).rejects.toMatchObject({ code: 'plan_outdated' });
    expect(await version()).toBe(before);
    expect(await targetByName(database.db, 'five-shop-production--web--a')).toBeUndefined();
  });

  test('is all or nothing: one name that is taken, and none of it happened', async () => {
    const [site, other] = [await organization(), await organization()];
    await other.apply(other.document(shop('six')));
    const whole = shop('six');
    const document = site.document({ ...whole, gateways: [], hosts: [], projects: [] });
    const clash = site.document({
      ...changed(whole, {
        environment: { gateways: [] },
        app: { instances: [{ slug: 'a', address: '10.0.0.3', login: 'web' }] },
      }),
      gateways: [],
      hosts: [],
    });
    await site.apply(document);
    await expect(site.apply(clash)).rejects.toMatchObject({
      code: 'name_taken',
      message: expect.stringContaining('"six-shop-production--"'),
    });
    expect((await site.export()).projects).toEqual([]);
  });

  test('makes one new state for companions, however much it changes; nothing makes none', async () => {
    const site = await organization();
    await site.apply(site.document(shop('seven')));
    const before = await version();
    await site.apply(site.document(shop('seven')));
    expect(await version()).toBe(before);
  });

  test('leaves reported instances alone, and refuses a document that names one', async () => {
    const site = await organization();
    const whole = changed(shop('eight'), { app: { instances: undefined } });
    await site.apply(site.document(whole));
    const path = ['eight-shop', 'production', 'web'];
    const members = {
      address: '10.0.0.3',
      port: 22,
      login: 'web',
      host: null,
      state: 'running',
      kind: 'task',
      role: null,
      labels: {},
    } as const;
    await write((tx) =>
      replaceInstances({ tx, organizationId: site.id, by: 'robot', now }, path, [{ slug: 'r', members }]),
    );
    const exported = await site.export();
    expect(JSON.stringify(exported)).not.toContain('10.0.0.3');
    await site.apply(exported, true);
    expect(await targetByName(database.db, 'eight-shop-production--web--r')).toBeDefined();
    const naming = changed(shop('eight'), {
      app: { instances: [{ slug: 'r', address: '10.0.0.3', login: 'web' }] },
    });
    await expect(site.plan(site.document(naming))).rejects.toMatchObject({ code: 'name_taken' });
    // With its app it goes.
    await site.apply(site.document({ projects: [] }), true);
    expect(await targetByName(database.db, 'eight-shop-production--web--r')).toBeUndefined();
  });
});

describe('names that are gone', () => {
  test('of projects, environments, apps and services are never given again; an instance may come back with new numbers', async () => {
    const site = await organization();
    const whole = shop('nine');
    await site.apply(site.document(whole));
    const numbers = await targetByName(database.db, 'nine-shop-production--web--a');
    const without = (change: object) => site.document(changed(whole, change));
    await site.apply(without({ app: { instances: [] } }), true);
    await site.apply(without({}));
    const again = await targetByName(database.db, 'nine-shop-production--web--a');
    expect(again?.gatewayUid).toBeGreaterThan(numbers?.gatewayUid ?? Number.NaN);
    expect(again?.nodeNumber).toBeGreaterThan(numbers?.nodeNumber ?? Number.NaN);

    const refused = async (what: string) =>
      await expect(site.apply(site.document(whole))).rejects.toMatchObject({
        code: 'name_taken',
        message: expect.stringContaining(what),
      });
    await site.apply(without({ environment: { services: [] } }), true);
    await refused('There was a service "db" here, which was removed on 2026-06-01');
    await site.apply(without({ environment: { services: [], apps: [] } }), true);
    await site.apply(site.document({ projects: [{ slug: 'nine-shop', environments: [] }] }), true);
    await refused('There was an environment "production" here');
    await site.apply(site.document({ projects: [] }), true);
    await refused('There was a project "nine-shop" here');
    // Another organization may have it, for what is removed is not theirs.
    const other = await organization();
    await other.apply(other.document({ projects: [{ slug: 'nine-shop' }] }));
  });

  test('of a gateway or a host that was removed stay taken', async () => {
    const site = await organization();
    const whole = shop('ten');
    await site.apply(site.document(whole));
    const {
      gateways: _,
      hosts: __,
      ...rest
    } = changed(whole, {
      environment: { gateways: [] },
      app: { instances: [] },
    });
    await site.apply(site.document({ ...rest, gateways: [], hosts: [] }), true);
    expect(await site.export()).toMatchObject({ gateways: [], hosts: [] });
    const rows = await database.db
      .selectFrom('companions')
      .select('revoked_at')
      .where('organization_id', '=', site.id)
      .execute();
    expect(rows).toEqual([{ revoked_at: now }, { revoked_at: now }]);
    await expect(site.apply(site.document(whole))).rejects.toMatchObject({ code: 'name_taken' });
  });
});
