/** Races between admins and orchestrators, which need several connections to the database; and what is large. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { accountForIdentity } from '../../src/accounts/account-for-identity.ts';
import { inventoryDocument } from '../../src/api/inventory-document.ts';
import { withDefaults } from '../../src/api/inventory-members.ts';
import { policyTestRequest } from '../../src/api/policy-test.ts';
import type { Tx } from '../../src/database/database.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { policyFacts } from '../../src/http/policy-facts.ts';
import { createAccessRule, rulesOfOrganization } from '../../src/inventory/access-rules.ts';
import { applyChanges, type ItemChange } from '../../src/inventory/apply-changes.ts';
import { companionById } from '../../src/inventory/companion.ts';
import { accessRuleItem } from '../../src/inventory/kinds/access-rule.ts';
import { readLoginPolicy } from '../../src/inventory/login-policy.ts';
import { applyDocument, planDocument } from '../../src/inventory/plan-document.ts';
import { replaceInstances } from '../../src/inventory/report-instances.ts';
import { targetsOfOrganization } from '../../src/inventory/target.ts';
import { type FreshDatabase, freshDatabase, hasPostgres } from '../database/fresh-database.ts';
import { lockAwaited } from '../database/lock-awaited.ts';
import { createShop, issuer, type Shop } from './shop.ts';

const now = new Date('2026-06-01T12:00:00Z');
const by = 'alice@example.com';

describe.skipIf(!hasPostgres)('at the same moment', () => {
  let database: FreshDatabase;
  let shop: Shop;
  beforeAll(async () => {
    database = await freshDatabase();
    shop = await write((tx) => createShop(tx, now));
  });
  afterAll(() => database?.close());

  const write = <T>(work: (tx: Tx) => Promise<T>) => inTransaction(database.db, work, { retries: 2 });
  const writeOf = (tx: Tx) => ({ tx, organizationId: shop.organizationId, by, now });

  async function admin(name: string): Promise<ItemChange> {
    const account = await write(async (tx) => {
      const { accountId, name: made } = await accountForIdentity(
        tx,
        {
          issuer,
          subject: name,
          accountName: `${name}@example.com`,
          displayName: name,
          groups: [],
          organizationSlug: 'acme',
        },
        now,
      );
      const { organizationId } = shop;
      await createAccessRule(tx, { organizationId, subject: { accountId }, role: 'admin' });
      return made;
    });
    const before = accessRuleItem(withDefaults('access_rule', { account, role: 'admin' }));
    return { action: 'remove', before, after: null };
  }

  test('two admins who take the role from each other leave one of them', async () => {
    const removals = await Promise.all([admin('ann'), admin('ben')]);
    const outcomes = await Promise.allSettled(
      removals.map((removal) => write((tx) => applyChanges(writeOf(tx), [removal]))),
    );
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'forbidden' },
    });
    const rules = await rulesOfOrganization(database.db, shop.organizationId);
    expect(rules.filter(({ role }) => role === 'admin')).toHaveLength(1);
  });

  test('of two who apply plans of one moment, the second is told to look again', async () => {
    const documents = ['one', 'two'].map((slug) =>
      inventoryDocument.parse({
        organization: { slug: 'acme' },
        projects: [{ slug: 'shared' }, { slug }],
      }),
    );
    const plans = await Promise.all(
      documents.map(async (document) => ({
        document,
        digest: (await write((tx) => planDocument(tx, shop.organizationId, document, { prune: false })))
          .digest,
      })),
    );
    const outcomes = await Promise.allSettled(
      plans.map(({ document, digest }) =>
        write((tx) => applyDocument(writeOf(tx), document, { prune: false, digest })),
      ),
    );
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'plan_outdated' },
    });
  });

  test('a document of more instances than a statement has parameters for is applied', async () => {
    const instances = Array.from({ length: 13_500 }, (_, number) => ({
      slug: `i${number}`,
      address: '10.0.0.3',
      login: 'web',
    }));
    const apps = [{ slug: 'many', instances }];
    const environments = [{ slug: 'production', kind: 'production', apps }];
    const document = inventoryDocument.parse({
      organization: { slug: 'acme' },
      projects: [{ slug: 'shop', environments }],
    });
    const prune = { prune: false };
    const { changes } = await write(async (tx) => {
      const { digest } = await planDocument(tx, shop.organizationId, document, prune);
      return await applyDocument(writeOf(tx), document, { ...prune, digest });
    });
    expect(changes).toHaveLength(13_501);
    const { count } = await database.db
      .selectFrom('audit_events')
      .select(({ fn }) => fn.countAll<string>().as('count'))
      .where('organization_id', '=', shop.organizationId)
      .executeTakeFirstOrThrow();
    expect(Number(count)).toBeGreaterThan(13_500);
    await database.db.deleteFrom('instances').where('address', '=', '10.0.0.3').execute();
  });

  test('reports of one app come one after the other, and what stands in the end is one of them', async () => {
    const report = (slugs: readonly string[]) =>
      write((tx) =>
        replaceInstances(
          writeOf(tx),
          ['shop', 'production', 'web'],
          slugs.map((slug) => ({
            slug,
            members: withDefaults('instance', { address: '10.0.0.1', login: 'web' }),
          })),
        ),
      );
    const sets = [
      ['a', 'b'],
      ['b', 'c'],
      ['c', 'd'],
      ['d', 'a'],
    ];
    await Promise.all(sets.map(report));
    const names = (await targetsOfOrganization(database.db, shop.organizationId)).map(
      ({ instance }) => instance ?? '',
    );
    expect(sets.map((set) => set.toSorted().join())).toContain(names.sort().join());
  });

  test('what is only tried, with everything in it that machines would hear of, waits for no new state and holds none up', async () => {
    const { organizationId, accountId, gatewayId } = shop;
    const caller = {
      kind: 'admin',
      id: accountId,
      sessionId: accountId,
      accountId,
      roleLimit: null,
      account: by,
      organizationId,
      organization: 'acme',
      role: 'admin',
    } as const;
    const document = inventoryDocument.parse({
      organization: { slug: 'acme' },
      login_policy: { machine_access: false, mfa_methods: ['hwk'] },
      gateways: [],
      projects: [{ slug: 'shop', environments: [{ slug: 'production', kind: 'production', gateways: [] }] }],
    });
    const tried = { name: 'one', target: 'shop-production--web', account: by, expect: 'denied' } as const;
    const request = policyTestRequest.parse({ cases: [tried], document, prune: false });
    const [held, mayEnd] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const holding = write(async (tx) => {
      await tx.selectFrom('state_version').select('version').forUpdate().execute();
      held.resolve();
      await mayEnd.promise;
    });
    await held.promise;
    const { organization } = await policyFacts(database.db, caller, request, now).finally(mayEnd.resolve);
    await holding;
    expect(organization).toMatchObject({ machineAccess: false, mfaMethods: ['hwk'] });
    const policy = await readLoginPolicy(database.db, organizationId);
    expect(policy).toMatchObject({ machine_access: true, mfa_methods: null });
    expect((await companionById(database.db, gatewayId)).revokedAt).toBeNull();
  });

  test('an app is removed after the report that holds it, with what that brought', async () => {
    const path = ['shop', 'production', 'held'];
    const item = { kind: 'app', name: path.join('.'), path, members: withDefaults('app', {}) } as const;
    const one = withDefaults('instance', { address: '10.0.0.1', login: 'web' });
    await write((tx) => applyChanges(writeOf(tx), [{ action: 'create', before: null, after: item }]));
    const [reported, mayCommit] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const report = write(async (tx) => {
      await replaceInstances(writeOf(tx), path, [{ slug: 'x', members: one }]);
      reported.resolve();
      await mayCommit.promise;
    });
    await reported.promise;
    const removal = write((tx) =>
      applyChanges(writeOf(tx), [{ action: 'remove', before: item, after: null }]),
    );
    await lockAwaited(database.db);
    mayCommit.resolve();
    await Promise.all([report, removal]);
    const left = await targetsOfOrganization(database.db, shop.organizationId);
    expect(left.filter(({ app }) => app === 'held')).toEqual([]);
  });
});
