import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { disableAccount, loadAccount } from '../../src/accounts/account.ts';
import { accountForIdentity } from '../../src/accounts/account-for-identity.ts';
import type { Identity } from '../../src/accounts/identity.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createOrganization } from '../../src/inventory/organization.ts';
import { readStateVersion } from '../../src/revocation/state-version.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';

const now = new Date('2026-06-01T12:00:00Z');
const issuer = 'https://login.example.com';

let database: FreshDatabase;
beforeAll(async () => {
  database = await freshDatabase();
  await inTransaction(database.db, async (tx) => {
    await createOrganization(tx, { slug: 'acme', name: 'Acme', domains: ['example.com', 'example.org'] });
    await createOrganization(tx, { slug: 'other', name: 'Other', domains: ['other.example'] });
  });
});
afterAll(() => database.close());

const login = (name: string, more: Partial<Identity> = {}) =>
  inTransaction(database.db, (tx) =>
    accountForIdentity(
      tx,
      {
        issuer,
        subject: `subject of ${name}`,
        accountName: name,
        displayName: 'Somebody',
        groups: [],
        organizationSlug: 'acme',
        ...more,
      },
      now,
    ),
  );
const groupsOf = async (accountId: string) => (await loadAccount(database.db, accountId)).facts.groups;

describe('the account of an identity', () => {
  test('is created at the first login and found at the next', async () => {
    const first = await login('alice@example.com');
    expect(first.name).toBe('alice@example.com');
    expect(await login('alice@example.com')).toEqual(first);
    expect(await loadAccount(database.db, first.accountId)).toEqual({
      id: first.accountId,
      facts: { name: 'alice@example.com', organization: 'acme', disabled: false, groups: [] },
      organizationId: first.organizationId,
      organization: {
        slug: 'acme',
        sshEnabled: true,
        machineAccess: true,
        hardware: { keys: 'off', attestation: false, models: null },
        sourcePinning: 'off',
        mfaRequired: false,
        mfaMaxAgeSeconds: null,
        mfaSources: ['provider', 'passkey'],
        mfaMethods: null,
      },
    });
  });

  test('has the groups of the last login', async () => {
    const { accountId } = await login('groups@example.com', { groups: ['b', 'a', 'a'] });
    expect(await groupsOf(accountId)).toEqual(['a', 'b']);
    await login('groups@example.com', { groups: ['c', 'b'] });
    expect(await groupsOf(accountId)).toEqual(['b', 'c']);
    await login('groups@example.com', { groups: [] });
    expect(await groupsOf(accountId)).toEqual([]);
  });

  test('makes a new state version when groups change, and none when nothing does', async () => {
    await login('version@example.com', { groups: ['a'] });
    const before = await readStateVersion(database.db);
    await login('version@example.com', { groups: ['a'] });
    expect(await readStateVersion(database.db)).toEqual(before);
    await login('version@example.com', { groups: ['b'] });
    expect((await readStateVersion(database.db)).version).toBeGreaterThan(before.version);
  });

  test('[abuse 13] is one whatever the case of the name', async () => {
    const lower = await login('case@example.com', { subject: 'case' });
    const upper = await login('Case@Example.COM', { subject: 'case' });
    expect(upper).toEqual(lower);
    expect(lower.name).toBe('case@example.com');
    await expect(login('CASE@example.com', { subject: 'somebody else' })).rejects.toMatchObject({
      code: 'login_rejected',
    });
  });

  test('[abuse 11] is refused to another identity that claims its name', async () => {
    const { accountId } = await login('owner@example.com', { groups: ['kept'] });
    for (const thief of [{ subject: 'thief' }, { issuer: 'https://login.example.net' }]) {
      await expect(login('owner@example.com', { ...thief, groups: ['stolen'] })).rejects.toMatchObject({
        code: 'login_rejected',
        message: expect.stringContaining('belongs to another identity'),
      });
    }
    expect(await groupsOf(accountId)).toEqual(['kept']);
    expect(
      await database.db
        .selectFrom('identities')
        .select('account_id')
        .where('account_id', '=', accountId)
        .execute(),
    ).toHaveLength(1);
  });

  test('keeps the name of its first login when the provider changes the e-mail address', async () => {
    const first = await login('maiden@example.com', { subject: 'married' });
    expect(await login('new-name@example.com', { subject: 'married' })).toEqual(first);
  });

  test.each([
    ['of no organization', 'eve@nowhere.example'],
    ['of another organization', 'eve@other.example'],
    ['below one of ours', 'eve@sub.example.com'],
  ])('is refused in a domain %s', async (_what, name) => {
    await expect(login(name)).rejects.toMatchObject({ code: 'login_rejected' });
  });

  test('is refused through the provider of another organization', async () => {
    await login('tenant@example.com');
    const elsewhere = login('tenant@example.com', { organizationSlug: 'other' });
    await expect(elsewhere).rejects.toMatchObject({ code: 'login_rejected' });
    await expect(login('x@example.com', { organizationSlug: 'none' })).rejects.toMatchObject({
      code: 'login_rejected',
    });
  });

  test('does not move to another organization with its domain', async () => {
    const { organizationId } = await login('stays@example.com');
    await database.db
      .insertInto('organization_domains')
      .values({ domain: 'moving.example', organization_id: organizationId })
      .execute();
    await login('moved@moving.example');
    await database.db
      .updateTable('organization_domains')
      .set((set) => ({
        organization_id: set.selectFrom('organizations').select('id').where('slug', '=', 'other'),
      }))
      .where('domain', '=', 'moving.example')
      .execute();
    await expect(login('moved@moving.example', { organizationSlug: 'other' })).rejects.toMatchObject({
      code: 'login_rejected',
      message: expect.stringContaining('another identity'),
    });
  });

  test('is refused while it is disabled', async () => {
    const { accountId } = await login('leaver@example.com');
    await inTransaction(database.db, (tx) => disableAccount(tx, { accountId, by: 'admin@example.com' }, now));
    expect((await loadAccount(database.db, accountId)).facts.disabled).toBe(true);
    await expect(login('leaver@example.com')).rejects.toMatchObject({
      code: 'login_rejected',
      message: expect.stringContaining('disabled'),
    });
  });

  test('is refused when the domain is no longer the organization’s', async () => {
    await login('moved@example.org');
    await database.db.deleteFrom('organization_domains').where('domain', '=', 'example.org').execute();
    await expect(login('moved@example.org')).rejects.toMatchObject({ code: 'login_rejected' });
  });
});

test.each([
  ['a comma', 'a,root@example.com'],
  ['a newline', 'a\n@example.com'],
  ['NUL', 'a\0@example.com'],
  ['a space', 'a b@example.com'],
  ['a quote', 'a"@example.com'],
  ['a backslash', 'a\\@example.com'],
  ['a wildcard', '*@example.com'],
  ['a leading !', '!a@example.com'],
  ['a leading -', '-a@example.com'],
  ['a leading .', '.a@example.com'],
  ['..', 'a..b@example.com'],
  ['a slash', 'a/b@example.com'],
  ['a colon', 'mfa:a@example.com'],
  ['a confusable letter', 'аlice@example.com'],
  ['the Kelvin sign, which is k in lower case', '\u212Aate@example.com'],
  ['two @', 'a@b@example.com'],
  ['no domain', 'root'],
  ['nothing', ''],
  ['over 91 characters', `${'a'.repeat(80)}@example.com`],
])('an account name with %s is refused and nothing is stored', async (_what, name) => {
  const before = await database.db.selectFrom('accounts').select('id').execute();
  await expect(login(name, { subject: 's' })).rejects.toMatchObject({ code: 'name_refused' });
  expect(await database.db.selectFrom('accounts').select('id').execute()).toEqual(before);
});

test.each([
  ['a group with a control character', { groups: ['a\0b'] }],
  ['an empty group', { groups: [''] }],
  ['too many groups', { groups: Array.from({ length: 1001 }, (_, index) => `g${index}`) }],
  ['an empty subject', { subject: '' }],
  ['a subject with NUL', { subject: 'a\0' }],
])('%s refuses the login', async (_what, claims) => {
  await expect(login('odd@example.com', claims)).rejects.toMatchObject({ code: 'login_rejected' });
});

test('a display name loses what could change a terminal or a page', async () => {
  const { accountId } = await login('shown@example.com', { displayName: 'A\u001b[31m\u202e\0B' });
  const row = await database.db
    .selectFrom('accounts')
    .select('display_name')
    .where('id', '=', accountId)
    .executeTakeFirstOrThrow();
  expect(row.display_name).toBe('A [31m  B');
});
