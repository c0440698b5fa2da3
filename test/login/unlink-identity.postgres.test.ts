import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { accountForIdentity } from '../../src/accounts/account-for-identity.ts';
import { identitiesOf, linkIdentity } from '../../src/accounts/link-identity.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createOrganization } from '../../src/inventory/organization.ts';
import { unlinkAndEndSessions, unlinkOwnIdentity } from '../../src/login/unlink-identity.ts';
import { type FreshDatabase, freshDatabase, hasPostgres } from '../database/fresh-database.ts';
import { lockAwaited } from '../database/lock-awaited.ts';

const now = new Date('2026-06-01T12:00:00Z');
const issuer = 'https://login.example.com';

describe.skipIf(!hasPostgres)('identities at once (needs postgresql)', () => {
  let database: FreshDatabase;
  beforeAll(async () => {
    database = await freshDatabase();
    await inTransaction(database.db, (tx) =>
      createOrganization(tx, { slug: 'acme', name: 'Acme', domains: ['example.com'] }),
    );
  });
  afterAll(() => database.close());

  const logIn = (name: string, subject = name) =>
    inTransaction(database.db, (tx) =>
      accountForIdentity(
        tx,
        {
          issuer,
          subject,
          accountName: `${name}@example.com`,
          displayName: name,
          groups: ['developers'],
          organizationSlug: 'acme',
        },
        now,
      ),
    );

  test('a login that waits for the end of an unlinking finds the identity gone', async () => {
    const { accountId } = await logIn('alice');
    let waiting: Promise<unknown> | undefined;
    await inTransaction(database.db, async (tx) => {
      await unlinkAndEndSessions(tx, { accountId, issuer, subject: 'alice', by: 'admin@example.com' }, now);
      waiting = logIn('alice').catch((error: unknown) => error);
      await lockAwaited(database.db);
    });
    expect(await waiting).toMatchObject({ code: 'login_rejected' });
    expect(await identitiesOf(database.db, accountId)).toEqual([]);
  });

  test('of two of one’s own that are taken away at once, one stays', async () => {
    const { accountId, name: by } = await logIn('erin');
    await inTransaction(database.db, (tx) =>
      linkIdentity(tx, { accountId, issuer, subject: 'erin-two', by }, now),
    );
    const unlinking = (subject: string, work: () => Promise<unknown> = async () => {}) =>
      inTransaction(database.db, async (tx) => {
        await unlinkOwnIdentity(tx, { accountId, issuer, subject, by }, now);
        await work();
      });
    let waiting: Promise<unknown> | undefined;
    await unlinking('erin', async () => {
      waiting = unlinking('erin-two').catch((error: unknown) => error);
      await lockAwaited(database.db);
    });
    expect(await waiting).toMatchObject({ code: 'forbidden' });
    expect(await identitiesOf(database.db, accountId)).toMatchObject([{ subject: 'erin-two' }]);
  });

  test('one identity that two accounts want at once becomes one’s, and the other is told', async () => {
    const accounts = await Promise.all([logIn('bob'), logIn('carol')]);
    const results = await Promise.allSettled(
      accounts.map(({ accountId, name: by }) =>
        inTransaction(database.db, (tx) =>
          linkIdentity(tx, { accountId, issuer, subject: 'wanted', by }, now),
        ),
      ),
    );
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const refused = results.find((result) => result.status === 'rejected');
    expect(refused?.reason).toMatchObject({ code: 'name_taken' });
  });

  test('an identity that logs in for the first time while it is linked is the account’s, or has its own', async () => {
    const { accountId } = await logIn('dave');
    let waiting: Promise<{ accountId: string }> | undefined;
    await inTransaction(database.db, async (tx) => {
      await linkIdentity(tx, { accountId, issuer, subject: 'dave-two', by: 'dave@example.com' }, now);
      waiting = logIn('david', 'dave-two');
      await lockAwaited(database.db);
    });
    expect(await waiting).toMatchObject({ accountId });
    const accounts = await database.db
      .selectFrom('accounts')
      .select('name')
      .where('name', '=', 'david@example.com')
      .execute();
    expect(accounts).toEqual([]);
  });
});
