import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { accountForIdentity } from '../../src/accounts/account-for-identity.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createOrganization } from '../../src/inventory/organization.ts';
import { type FreshDatabase, freshDatabase, hasPostgres } from '../database/fresh-database.ts';

const now = new Date('2026-06-01T12:00:00Z');

describe.skipIf(!hasPostgres)('logins at once (needs postgresql)', () => {
  let database: FreshDatabase;
  beforeAll(async () => {
    database = await freshDatabase();
    await inTransaction(database.db, (tx) =>
      createOrganization(tx, { slug: 'acme', name: 'Acme', domains: ['example.com'] }),
    );
  });
  afterAll(() => database.close());

  const login = (subject: string, groups: string[]) =>
    inTransaction(database.db, (tx) =>
      accountForIdentity(
        tx,
        {
          issuer: 'https://login.example.com',
          subject,
          accountName: 'alice@example.com',
          displayName: 'Alice',
          groups,
          organizationSlug: 'acme',
        },
        now,
      ),
    );

  test('20 first logins of one person make one account; a stranger with its name gets none', async () => {
    const logins = await Promise.all(Array.from({ length: 20 }, () => login('alice', ['a'])));
    expect(new Set(logins.map((account) => account.accountId)).size).toBe(1);
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => login('stranger', ['a'])));
    expect(results.every((result) => result.status === 'rejected')).toBe(true);
    expect(await database.db.selectFrom('accounts').select('id').execute()).toHaveLength(1);
  });

  test('logins that bring different groups leave the groups of one of them, never a mixture', async () => {
    const sets = Array.from({ length: 10 }, (_, index) => [`x${index}`, `y${index}`]);
    await Promise.all(sets.map((groups) => login('alice', groups)));
    const rows = await database.db
      .selectFrom('account_groups')
      .select('group_name')
      .orderBy('group_name')
      .execute();
    expect(sets).toContainEqual(rows.map((row) => row.group_name));
  });
});
