/** docs/inventory.md: its file is one, does what the page says, and every sort of thing is in it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { instanceReport } from '../../src/api/inventory.ts';
import { inventoryDocument, inventoryJsonSchema } from '../../src/api/inventory-document.ts';
import { parseYaml } from '../../src/cli/inventory/read-yaml.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { kindOrder } from '../../src/inventory/kinds/all-kinds.ts';
import { createOrganization } from '../../src/inventory/organization.ts';
import { applyDocument, exportDocument, planDocument } from '../../src/inventory/plan-document.ts';
import { targetByName, targetsOfOrganization } from '../../src/inventory/target.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { docsPage } from './docs-page.ts';

const page = docsPage('inventory.md');
const [example = ''] = page.blocks('yaml');
const document = parseYaml(Buffer.from(example), { file: 'docs/inventory.md', schema: inventoryDocument });
const now = new Date('2026-06-01T12:00:00Z');

let database: FreshDatabase;
let organizationId: string;
beforeAll(async () => {
  database = await freshDatabase();
  organizationId = await inTransaction(database.db, (tx) =>
    createOrganization(tx, { slug: 'acme', name: 'A company', domains: ['example.com'] }),
  );
});
afterAll(() => database.close());

describe('the example of docs/inventory.md', () => {
  test('is applied, has something of every kind, and applied again changes nothing', async () => {
    const applied = await inTransaction(database.db, async (tx) => {
      const { digest } = await planDocument(tx, organizationId, document, { prune: true });
      const write = { tx, organizationId, by: 'alice@example.com', now };
      return await applyDocument(write, document, { prune: true, digest });
    });
    const kinds = new Set(applied.changes.map(({ before, after }) => (after ?? before).kind));
    expect([...kinds].sort()).toEqual([...kindOrder].sort());
    await inTransaction(database.db, async (tx) => {
      const again = await planDocument(tx, organizationId, document, { prune: true });
      expect(again).toMatchObject({ changes: [], notInFile: [] });
      const exported = await exportDocument(tx, organizationId);
      expect(await planDocument(tx, organizationId, exported, { prune: true })).toMatchObject({
        changes: [],
        notInFile: [],
      });
    });
  });

  test('gives the target names that the page names', async () => {
    const names = (await targetsOfOrganization(database.db, organizationId)).map(
      ({ targetName }) => targetName,
    );
    expect(names).toEqual(['shop-production--web--a', 'shop-production--web--b', 'shop-staging--web']);
    for (const name of ['shop-production--web--a', 'shop-staging--web'])
      expect(page.text).toContain(`\`${name}\``);
    expect(await targetByName(database.db, 'shop-production--web--a')).toMatchObject({
      mfaEnforcement: 'continuous',
      maxConnectionSeconds: 43_200,
      idleTimeoutSeconds: 3600,
      instanceRole: 'frontend',
      folder: '/srv/web',
    });
  });

  test('uses every member that the file knows at the level of environments and apps', () => {
    const [production] = document.projects?.[0]?.environments ?? [];
    const [web] = production?.apps ?? [];
    expect(Object.keys(production ?? {})).toEqual(
      expect.arrayContaining(['mfa_required', 'mfa_enforcement', 'people_only', 'access', 'gateways']),
    );
    expect(Object.keys(web ?? {})).toEqual(expect.arrayContaining(['folder', 'env_file', 'journal_unit']));
  });
});

test('the report on the page is one', () => {
  const [request = ''] = page.blocks('http', '## Instances that come and go');
  const body: unknown = JSON.parse(request.slice(request.indexOf('{')));
  expect(instanceReport.parse(body).instances).toHaveLength(2);
});

test('the JSON Schema names every list of the file, and refuses what is not known', () => {
  const schema = JSON.parse(JSON.stringify(inventoryJsonSchema()));
  expect(Object.keys(schema.properties)).toEqual([
    'organization',
    'login_policy',
    'gateways',
    'hosts',
    'access_rules',
    'projects',
  ]);
  expect(schema).toMatchObject({ additionalProperties: false, required: ['organization'] });
  const environment = schema.properties.projects.items.properties.environments.items;
  expect(environment.required.sort()).toEqual(['kind', 'slug']);
  expect(environment.properties.slug).toMatchObject({ pattern: '^[a-z0-9]+(-[a-z0-9]+)*$', maxLength: 40 });
  expect(environment.properties.kind.enum).toEqual(['production', 'staging', 'development']);
});
