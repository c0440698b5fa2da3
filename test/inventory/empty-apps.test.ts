import { afterAll, beforeAll, expect, test } from 'vitest';
import { inTransaction } from '../../src/database/transaction.ts';
import { createApp } from '../../src/inventory/app.ts';
import { createCompanion } from '../../src/inventory/companion.ts';
import { emptyAppsOfCompanions } from '../../src/inventory/empty-apps.ts';
import { createInstance } from '../../src/inventory/instance.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { createShop, type Shop } from './shop.ts';

const now = new Date('2027-01-15T08:00:00Z');
let database: FreshDatabase;
let shop: Shop;
beforeAll(async () => {
  database = await freshDatabase();
  shop = await inTransaction(database.db, (tx) => createShop(tx, now));
});
afterAll(() => database.close());

test('a gateway hears of apps without an instance in its environments, until one comes; a host of none', async () => {
  const { organizationId, environmentId, gatewayId } = shop;
  const machine = { organizationId, address: '192.0.2.1', port: 22, gatewayLogin: null };
  const [appId, hostId, elsewhereId] = await inTransaction(database.db, async (tx) => [
    await createApp(tx, { environmentId, slug: 'worker' }),
    await createCompanion(tx, { ...machine, kind: 'host', name: 'h', environmentIds: [] }),
    await createCompanion(tx, { ...machine, kind: 'gateway', name: 'g', environmentIds: [] }),
  ]);
  const found = () => emptyAppsOfCompanions(database.db, [gatewayId, hostId, elsewhereId]);
  expect(await found()).toEqual(
    new Map([
      [
        gatewayId,
        [
          {
            organization: 'acme',
            project: 'shop',
            environment: 'production',
            environmentKind: 'production',
            app: 'worker',
            name: 'shop-production--worker',
          },
        ],
      ],
    ]),
  );
  const place = { address: '10.1.2.9', port: 22, login: 'deploy', hostId: null };
  await inTransaction(database.db, (tx) => createInstance(tx, { appId, instanceSlug: null, ...place }));
  expect(await found()).toEqual(new Map());
});
