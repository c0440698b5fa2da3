import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PolicyTestReply } from '../../src/api/policy-test.ts';
import { targetByName } from '../../src/inventory/target.ts';
import { startTestServer, type TestPerson, type TestServer } from './test-server.ts';

let server: TestServer;
let admin: TestPerson;
let bob: TestPerson;
beforeAll(async () => {
  server = await startTestServer();
  admin = await server.person('admin', 'admin');
  bob = await server.person('bob', 'contributor');
});
afterAll(() => server.close());

const target = 'shop-production--web';

async function tried(body: object, as = admin) {
  const reply = await server.call('POST', '/v1/policy/test', { as, body });
  return {
    status: reply.statusCode,
    body: reply.json() as PolicyTestReply & { detail?: string; code?: string },
  };
}

async function onlyResult(one: object, more: object = {}) {
  const { body } = await tried({ cases: [{ name: 'one', target, ...one }], ...more });
  const [result] = body.results;
  if (result === undefined) throw new Error(JSON.stringify(body));
  return {
    passed: result.passed,
    codes: result.found?.reasons.map(({ code }) => code),
    problem: result.problem,
  };
}

test('cases that come out as expected pass, the others say what was found', async () => {
  const account = bob.account;
  const { body } = await tried({
    cases: [
      { name: 'bob gets in', account, target, expect: 'allowed' },
      { name: 'not without a second factor', account, target, mfa: 'none', expect: 'denied' },
      { name: 'wrong', account, target, mfa: { age: 3600 }, expect: 'allowed' },
    ],
  });
  expect(body).toMatchObject({ passed: 2, failed: 1 });
  expect(body.results[2]).toEqual({
    name: 'wrong',
    passed: false,
    expected: { allowed: true, reasons: null },
    found: {
      allowed: false,
      reasons: [{ code: 'mfa_too_old', message: expect.stringContaining('15 minutes') }],
    },
    problem: null,
  });
});

test('reasons count as a whole and in any order', async () => {
  const denied = { account: bob.account, mode: 'token', expect: 'denied' };
  const { codes = [] } = await onlyResult(denied);
  expect(codes).toContain('mfa_impossible');
  expect(await onlyResult({ ...denied, reasons: codes.toReversed() })).toMatchObject({ passed: true });
  expect(await onlyResult({ ...denied, reasons: [] })).toMatchObject({ passed: false });
  expect(await onlyResult({ ...denied, reasons: [...codes, 'session_ended'] })).toMatchObject({
    passed: false,
  });
});

test('groups alone are somebody whom no rule names, and an account can be tried with other groups', async () => {
  expect(await onlyResult({ groups: ['nobody'], expect: 'denied' })).toMatchObject({
    codes: ['target_unknown'],
  });
  expect(await onlyResult({ account: bob.account, groups: [], expect: 'allowed' })).toMatchObject({
    passed: true,
  });
});

test('a limit of a token, a time and an unknown account count', async () => {
  const account = bob.account;
  expect(await onlyResult({ account, role_limit: 'viewer', expect: 'denied' })).toMatchObject({
    codes: ['role_insufficient'],
  });
  const expires_at = new Date(server.clock.now.getTime() + 3_600_000);
  await server.database.db
    .updateTable('access_rules')
    .set({ expires_at })
    .where('account_id', '=', bob.accountId)
    .execute();
  const at = new Date(server.clock.now.getTime() + 7_200_000).toISOString();
  expect(await onlyResult({ account, at, expect: 'denied', reasons: ['target_unknown'] })).toMatchObject({
    passed: true,
  });
  expect(await onlyResult({ account: 'nobody@example.com', expect: 'denied' })).toMatchObject({
    passed: false,
    problem: 'There is no account nobody@example.com in the organization.',
  });
});

test('an inventory is tried as if it had been applied, and nothing of it stays', async () => {
  const document = {
    organization: { slug: 'acme' },
    access_rules: [{ group: 'auditors', role: 'contributor', project: 'shop' }],
    projects: [
      {
        slug: 'shop',
        environments: [
          {
            slug: 'production',
            kind: 'production',
            mfa_max_age_seconds: 60,
            apps: [{ slug: 'web' }, { slug: 'api', instances: [{ address: '10.0.0.9', login: 'api' }] }],
          },
        ],
      },
    ],
  };
  const auditor = { groups: ['auditors'], mfa: { age: 120 } };
  expect(await onlyResult({ ...auditor, expect: 'denied' })).toMatchObject({ codes: ['target_unknown'] });
  const under = await onlyResult({ ...auditor, expect: 'denied' }, { document });
  expect(under).toMatchObject({ codes: ['mfa_too_old'] });
  const api = { groups: ['auditors'], target: 'shop-production--api', expect: 'allowed' };
  expect(await onlyResult(api, { document })).toMatchObject({ passed: true });

  expect(await targetByName(server.database.db, 'shop-production--api')).toBeUndefined();
  expect(await onlyResult(api)).toMatchObject({ codes: ['target_unknown'] });
  const events = await server.database.db
    .selectFrom('audit_events')
    .select('facts')
    .where('event', '=', 'inventory.changed')
    .execute();
  expect(JSON.stringify(events)).not.toContain('auditors');
});

test('an inventory that could not be applied says why', async () => {
  const cases = [{ name: 'one', groups: ['x'], target, expect: 'denied' }];
  const document = { organization: { slug: 'other' } };
  expect((await tried({ cases, document })).status).toBeGreaterThanOrEqual(400);
});

test.each([
  ['nobody', {}],
  ['reasons of what is allowed', { groups: [], expect: 'allowed', reasons: ['session_ended'] }],
  ['an unknown member', { groups: [], expect: 'allowed', sudo: true }],
])('a case with %s is refused', async (_, one) => {
  const { status, body } = await tried({ cases: [{ name: 'one', target, expect: 'denied', ...one }] });
  expect([status, body.code]).toEqual([400, 'request_malformed']);
});

test('admins alone may ask', async () => {
  const cases = [{ name: 'one', account: bob.account, target, expect: 'allowed' }];
  expect((await tried({ cases }, bob)).status).toBe(403);
});
