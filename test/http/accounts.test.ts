import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { findAccount } from '../../src/accounts/find-account.ts';
import { accountDocument, accountList } from '../../src/api/accounts.ts';
import { sessionsEnded } from '../../src/api/sessions.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createAccessRule } from '../../src/inventory/access-rules.ts';
import { breakGlass } from '../../src/inventory/break-glass.ts';
import { createOrganization } from '../../src/inventory/organization.ts';
import { isLastAdmin, lastingAdmins } from '../../src/inventory/remaining-admins.ts';
import type { AccessRuleFacts, AccountFacts } from '../../src/policy/facts.ts';
import { startTestServer, type TestPerson, type TestServer } from './test-server.ts';

let server: TestServer;
let admin: TestPerson;
let second: TestPerson;
let stranger: TestPerson;
beforeAll(async () => {
  server = await startTestServer();
  await inTransaction(server.database.db, (tx) =>
    createOrganization(tx, { slug: 'other', name: 'Other', domains: ['other.example'] }),
  );
  stranger = await server.person('mallory', 'admin', { domain: 'other.example', organization: 'other' });
});
afterAll(() => server.close());
beforeEach(async () => {
  const { organizationId } = server.shop;
  await server.database.db.deleteFrom('access_rules').where('organization_id', '=', organizationId).execute();
  admin = await server.person(`admin-${crypto.randomUUID()}`, 'admin');
  second = await server.person(`second-${crypto.randomUUID()}`, 'admin');
});

const code = (reply: { json(): { code: string }; statusCode: number }) => [
  reply.statusCode,
  reply.json().code,
];
const disable = (as: TestPerson, name: string) => server.call('POST', `/v1/accounts/${name}/disable`, { as });
const enable = (as: TestPerson, name: string) => server.call('POST', `/v1/accounts/${name}/enable`, { as });
const documentOf = async (as: TestPerson, name: string) => {
  const { accounts } = accountList.parse((await server.call('GET', '/v1/accounts', { as })).json());
  return accounts.find((account) => account.name === name);
};
const isLive = async (id: string) =>
  (
    await server.database.db
      .selectFrom('login_sessions')
      .select('ended_at')
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
  ).ended_at === null;
const events = (event: string) =>
  server.database.db
    .selectFrom('audit_events')
    .select('facts')
    .where('event', '=', event)
    .orderBy('id')
    .execute();

test('an admin sees the organization’s accounts, with roles and live sessions, and no other’s', async () => {
  const bob = await server.person('bob', 'viewer', { groups: ['developers'] });
  expect(await documentOf(admin, bob.account)).toMatchObject({
    kind: 'person',
    disabled: false,
    role: 'viewer',
    groups: ['developers'],
    live_sessions: 2,
    break_glass: null,
  });
  expect(await documentOf(admin, stranger.account)).toBeUndefined();
  expect(code(await server.call('GET', '/v1/accounts', { as: bob }))).toEqual([403, 'forbidden']);
});

test('a disabled account loses its sessions and API tokens at once, logs in no more, and can be enabled', async () => {
  const carol = await server.person('carol', null);
  const { organizationId } = server.shop;
  await server.database.db
    .insertInto('api_tokens')
    .values({
      organization_id: organizationId,
      account_id: carol.accountId,
      name: 'laptop',
      token_hash: Buffer.from('of the test'),
      hint: 'abcd',
      role_limit: 'viewer',
      source_ranges: [],
      created_by: carol.account,
      expires_at: new Date(server.clock.now.getTime() + 86_400_000),
    })
    .execute();
  expect(code(await disable(stranger, carol.account))).toEqual([404, 'not_found']);
  expect(code(await disable(carol, carol.account))).toEqual([403, 'forbidden']);
  expect(sessionsEnded.parse((await disable(admin, carol.account)).json())).toMatchObject({ ended: 2 });
  expect([await isLive(carol.sessionId), await isLive(carol.browserSessionId)]).toEqual([false, false]);
  const token = await server.database.db
    .selectFrom('api_tokens')
    .select(['revoked_at', 'revoked_by'])
    .where('account_id', '=', carol.accountId)
    .executeTakeFirstOrThrow();
  expect(token).toEqual({ revoked_at: server.clock.now, revoked_by: admin.account });
  expect(await documentOf(admin, carol.account)).toMatchObject({ disabled: true, live_sessions: 0 });
  await expect(server.person('carol', null)).rejects.toMatchObject({ code: 'login_rejected' });

  expect(accountDocument.parse((await enable(admin, carol.account)).json())).toMatchObject({
    disabled: false,
  });
  expect(await isLive(carol.sessionId)).toBe(false);
  await server.person('carol', null);
});

test('an account for machines is made in the organization’s domains', async () => {
  const make = (name: string) =>
    server.call('POST', '/v1/accounts', {
      as: admin,
      body: { name, kind: 'machine', display_name: 'Deployments' },
    });
  const reply = await make('deploy@example.com');
  expect([reply.statusCode, accountDocument.parse(reply.json())]).toMatchObject([
    201,
    { kind: 'machine', role: null },
  ]);
  expect(code(await make('deploy@example.com'))).toEqual([409, 'name_taken']);
  expect(code(await make('deploy@other.example'))).toEqual([422, 'name_refused']);
});

describe('[abuse 97] the last admin', () => {
  test('can not be disabled, by own hand or another’s, while one of two can', async () => {
    expect((await disable(admin, second.account)).statusCode).toBe(200);
    const body = { name: 'robot@example.com', kind: 'machine', display_name: 'A machine' };
    await server.call('POST', '/v1/accounts', { as: admin, body });
    await inTransaction(server.database.db, async (tx) => {
      const { organizationId } = server.shop;
      const { accountId } = await findAccount(tx, { organizationId, name: body.name });
      await createAccessRule(tx, { organizationId, subject: { accountId }, role: 'admin' });
    });
    const refused = await disable(admin, admin.account);
    expect(code(refused)).toEqual([403, 'forbidden']);
    expect(refused.json().detail).toContain('only admin');
    expect(await isLive(admin.sessionId)).toBe(true);
    expect(await documentOf(admin, admin.account)).toMatchObject({ disabled: false });
  });

  test('of two who disable each other at the same moment, one stays', async () => {
    const replies = await Promise.all([disable(admin, second.account), disable(second, admin.account)]);
    expect(replies.filter(({ statusCode }) => statusCode === 200)).toHaveLength(1);
  });

  test('is none who is an admin for a while, disabled, or on a project only', () => {
    const person = (name: string, more: Partial<AccountFacts> = {}): AccountFacts => ({
      name,
      organization: 'acme',
      disabled: false,
      groups: [],
      ...more,
    });
    const rule = (account: string, more: Partial<AccessRuleFacts> = {}): AccessRuleFacts => ({
      subject: { account },
      role: 'admin',
      organization: 'acme',
      project: null,
      environment: null,
      expiresAtSeconds: null,
      ...more,
    });
    const facts = {
      organization: 'acme',
      people: [
        person('ann'),
        person('ben', { groups: ['admins'] }),
        person('cleo', { disabled: true }),
        person('dan'),
        person('eva'),
        person('fay'),
      ],
      rules: [
        rule('ann'),
        rule('', { subject: { group: 'admins' } }),
        rule('cleo'),
        rule('dan', { expiresAtSeconds: 4_000_000_000 }),
        rule('eva', { project: 'shop' }),
        rule('fay', { role: 'contributor' }),
        rule('gone'),
      ],
    };
    expect(lastingAdmins(facts)).toEqual(['ann', 'ben']);
    expect(isLastAdmin(facts, 'ann')).toBe(false);
    const without = { ...facts, people: facts.people.filter(({ name }) => name !== 'ben') };
    expect([isLastAdmin(without, 'ann'), isLastAdmin(without, 'dan')]).toEqual([true, false]);
  });

  test('an admin in an emergency is one for at most four hours, alarmed at the beginning and at each use', async () => {
    const eve = await server.person('eve', null);
    const grant = (seconds: number, reason = 'everybody left') =>
      inTransaction(server.database.db, (tx) =>
        breakGlass(tx, { account: eve.account, seconds, reason }, server.clock.now),
      );
    for (const seconds of [0, -1, 1.5, 4 * 3600 + 1]) {
      await expect(grant(seconds)).rejects.toMatchObject({ code: 'settings_invalid' });
    }
    await expect(grant(3600, ' ')).rejects.toMatchObject({ code: 'settings_invalid' });
    expect(code(await server.call('GET', '/v1/sessions', { as: eve }))).toEqual([403, 'forbidden']);

    const { expiresAt } = await grant(3600);
    const expires_at = Math.floor(expiresAt.getTime() / 1000);
    expect(await events('break_glass.granted')).toEqual([
      { facts: { account: eve.account, reason: 'everybody left', expires_at } },
    ]);
    expect(await documentOf(eve, eve.account)).toMatchObject({
      role: 'admin',
      break_glass: { expires_at, reason: 'everybody left' },
    });
    // Looking again within the minute is no news; doing something always is.
    await server.call('GET', '/v1/accounts', { as: eve });
    const bob = await server.person('bob', null);
    for (let count = 0; count < 2; count += 1) {
      expect(
        (await server.call('POST', `/v1/accounts/${bob.account}/sessions/revoke`, { as: eve })).statusCode,
      ).toBe(200);
    }
    const used = (await events('break_glass.used')).map(({ facts }) => facts);
    const act = { account: eve.account, method: 'POST', route: '/v1/accounts/:account/sessions/revoke' };
    expect(used).toEqual([{ account: eve.account, method: 'GET', route: '/v1/accounts' }, act, act]);
    const alarms = server.log.filter((line) => line['alarm'] === 'break_glass');
    expect(alarms).toHaveLength(3);
    expect(alarms[0]).toMatchObject({ level: 60, reason: 'everybody left' });
    expect((await server.call('GET', '/console/accounts', { cookie: admin.cookie })).body).toContain(
      'everybody left',
    );

    // It saves nobody from being the last admin, and is over by itself.
    await disable(admin, second.account);
    expect(code(await disable(eve, admin.account))).toEqual([403, 'forbidden']);
    server.clock.now = new Date(expiresAt.getTime());
    expect(code(await server.call('GET', '/v1/sessions', { as: eve }))).toEqual([403, 'forbidden']);
  });
});
