import { afterAll, beforeAll, expect, test } from 'vitest';
import { accountForIdentity } from '../../src/accounts/account-for-identity.ts';
import { identityList } from '../../src/api/identity-providers.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createOrganization } from '../../src/inventory/organization.ts';
import { issuer } from '../inventory/shop.ts';
import { startedSession } from '../sessions/login.ts';
import { startTestServer, type TestPerson, type TestServer } from './test-server.ts';

let server: TestServer;
let admin: TestPerson;
let bob: TestPerson;
let stranger: TestPerson;
const code = (reply: { json(): { code: string }; statusCode: number }) => [
  reply.statusCode,
  reply.json().code,
];

beforeAll(async () => {
  server = await startTestServer();
  admin = await server.person('admin', 'admin');
  bob = await server.person('bob', 'contributor');
  await inTransaction(server.database.db, (tx) =>
    createOrganization(tx, { slug: 'other', name: 'Other', domains: ['other.example'] }),
  );
  stranger = await server.person('mallory', 'admin', { domain: 'other.example', organization: 'other' });
});
afterAll(() => server.close());

const path = (account: string, action = '') => `/v1/accounts/${account}/identities${action}`;
const link = (account: string, subject: string, as = admin) =>
  server.call('POST', path(account, '/link'), { as, body: { provider: 'default', subject } });
const unlink = (account: string, subject: string, as = admin) =>
  server.call('POST', path(account, '/unlink'), { as, body: { issuer, subject } });
const subjects = (reply: { json(): unknown }) =>
  identityList.parse(reply.json()).identities.map(({ subject }) => subject);
const logIn = (subject: string, name: string) =>
  inTransaction(server.database.db, (tx) =>
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
      server.clock.now,
    ),
  );

test('an admin gives an account a further identity, which then is that account', async () => {
  const reply = await link(bob.account, 'bob-two');
  expect(subjects(reply)).toContain('bob-two');
  expect(subjects(await server.call('GET', path(bob.account), { as: admin }))).toEqual(subjects(reply));
  expect(await logIn('bob-two', 'robert')).toMatchObject({ accountId: bob.accountId, name: bob.account });
  expect(subjects(await link(bob.account, 'bob-two'))).toEqual(subjects(reply));
});

test('one that is somebody’s already is not given away', async () => {
  await logIn('carol', 'carol');
  expect(code(await link(bob.account, 'carol'))).toEqual([409, 'name_taken']);
});

test('only by admins of the account’s organization, at its own providers', async () => {
  expect(code(await link(bob.account, 'x', bob))).toEqual([403, 'forbidden']);
  expect(code(await link(bob.account, 'x', stranger))).toEqual([404, 'not_found']);
  expect(code(await link(stranger.account, 'x', stranger))).toEqual([404, 'not_found']);
  expect(code(await link(stranger.account, 'x'))).toEqual([404, 'not_found']);
  expect(code(await server.call('GET', path(bob.account), { as: stranger }))).toEqual([404, 'not_found']);
  expect(code(await unlink(bob.account, 'bob-two', stranger))).toEqual([404, 'not_found']);
});

test('a disabled account and one of a machine get none', async () => {
  await logIn('dave', 'dave');
  const { db } = server.database;
  await db
    .updateTable('accounts')
    .set({ disabled_at: server.clock.now })
    .where('name', '=', 'dave@example.com')
    .execute();
  await db
    .insertInto('accounts')
    .values({
      organization_id: server.shop.organizationId,
      name: 'robot@example.com',
      display_name: 'Robot',
      kind: 'machine',
    })
    .execute();
  expect(code(await link('dave@example.com', 'dave-two'))).toEqual([403, 'login_rejected']);
  expect(code(await link('robot@example.com', 'robot'))).toEqual([403, 'login_rejected']);
});

test('one that is taken away ends its sessions, its groups, and its claim to the name', async () => {
  const { accountId } = await logIn('erin', 'erin');
  await link('erin@example.com', 'erin-two');
  const sessions = await inTransaction(server.database.db, async (tx) => [
    await startedSession(tx, accountId, server.clock.now, { subject: 'erin' }),
    await startedSession(tx, accountId, server.clock.now, { subject: 'erin-two' }),
  ]);
  expect(subjects(await unlink('erin@example.com', 'erin-two'))).toEqual(['erin']);
  const rows = await server.database.db
    .selectFrom('login_sessions')
    .select(['id', 'ended_reason'])
    .where('id', 'in', sessions)
    .execute();
  expect(rows.find(({ id }) => id === sessions[0])?.ended_reason).toBeNull();
  expect(rows.find(({ id }) => id === sessions[1])?.ended_reason).toBe('unlinked');
  const groups = server.database.db
    .selectFrom('account_groups')
    .select('group_name')
    .where('account_id', '=', accountId);
  expect(await groups.execute()).toEqual([]);
  await expect(logIn('erin-two', 'erin')).rejects.toMatchObject({ code: 'login_rejected' });
  expect(code(await unlink('erin@example.com', 'erin-two'))).toEqual([404, 'not_found']);
});

test.each([
  { subject: '' },
  { subject: 'é' },
  { subject: 'a\n' },
  { subject: 'a'.repeat(256) },
  { provider: 'Default' },
])('refuses to link %j', async (change) => {
  const body = { provider: 'default', subject: 'fine', ...change };
  const reply = await server.call('POST', path(bob.account, '/link'), { as: admin, body });
  expect(code(reply)).toEqual([400, 'request_malformed']);
});
