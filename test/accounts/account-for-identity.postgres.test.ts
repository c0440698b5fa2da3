import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { disableAccount } from '../../src/accounts/account.ts';
import { accountForIdentity } from '../../src/accounts/account-for-identity.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createOrganization } from '../../src/inventory/organization.ts';
import { type FreshDatabase, freshDatabase, hasPostgres } from '../database/fresh-database.ts';
import { lockAwaited } from '../database/lock-awaited.ts';

const now = new Date('2026-06-01T12:00:00Z');
const alice = {
  issuer: 'https://login.example.com',
  subject: 'alice',
  accountName: 'alice@example.com',
  displayName: 'Alice',
  groups: [],
  organizationSlug: 'acme',
};

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
    inTransaction(database.db, (tx) => accountForIdentity(tx, { ...alice, subject, groups }, now));

  test('20 first logins of one person make one account; a stranger with its name gets none', async () => {
    const logins = await Promise.all(Array.from({ length: 20 }, () => login('alice', ['a'])));
    expect(new Set(logins.map((account) => account.accountId)).size).toBe(1);
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => login('stranger', ['a'])));
    expect(results.every((result) => result.status === 'rejected')).toBe(true);
    expect(await database.db.selectFrom('accounts').select('id').execute()).toHaveLength(1);
  });

  test('first logins of one person under different names at once make one account', async () => {
    const names = ['maiden@example.com', 'married@example.com'];
    const [first, second] = names.map((accountName) => ({ ...alice, subject: 'renamed', accountName }));
    let waiting: ReturnType<typeof accountForIdentity> | undefined;
    const made = await inTransaction(database.db, async (tx) => {
      const account = await accountForIdentity(tx, first ?? alice, now);
      waiting = inTransaction(database.db, (other) => accountForIdentity(other, second ?? alice, now));
      await lockAwaited(database.db);
      return account;
    });
    expect(await waiting).toEqual(made);
    const kept = await database.db.selectFrom('accounts').select('name').where('name', 'in', names).execute();
    expect(kept).toEqual([{ name: 'maiden@example.com' }]);
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

  test('an account is not disabled in the middle of its login: disabling waits, and the next login is refused', async () => {
    const { accountId } = await login('alice', ['a']);
    const order: string[] = [];
    let disabling: Promise<unknown> = Promise.resolve();
    await inTransaction(database.db, async (tx) => {
      await accountForIdentity(tx, { ...alice, groups: ['a'] }, now);
      disabling = inTransaction(database.db, (other) =>
        disableAccount(other, { accountId, by: 'admin@example.com' }, now),
      ).then(() => order.push('disabled'));
      await lockAwaited(database.db);
      order.push('logged in');
    });
    await disabling;
    expect(order).toEqual(['logged in', 'disabled']);
    await expect(login('alice', ['a'])).rejects.toMatchObject({ code: 'login_rejected' });
  });
});
