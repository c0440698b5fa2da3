import { afterAll, beforeAll, expect, test } from 'vitest';
import { loginPolicy } from '../../src/api/login-policy.ts';
import { AttestingMaker } from '../ssh/attesting-maker.ts';
import { startTestServer, type TestPerson, type TestServer } from './test-server.ts';

let server: TestServer;
let admin: TestPerson;
const path = '/v1/organization/login-policy';
const set = (body: object, as = admin) => server.call('POST', path, { as, body });

beforeAll(async () => {
  server = await startTestServer();
  admin = await server.person('admin', 'admin');
});
afterAll(() => server.close());

const before = {
  mfa_required: false,
  mfa_sources: ['provider', 'passkey'],
  mfa_methods: null,
  mfa_max_age_seconds: null,
  passkey_models: null,
  session_max_seconds: 86_400,
  session_idle_seconds: null,
  outage_grace_seconds: 14_400,
  device_login: 'off',
  ssh_codes: false,
  machine_access: true,
  source_pinning: 'off',
  registered_keys: false,
  max_connection_seconds: null,
  idle_timeout_seconds: null,
  hardware_keys: 'off',
  hardware_attestation: 'off',
  hardware_models: null,
  hardware_authorities: [],
};

test('a new organization’s policy can be read', async () => {
  const reply = await server.call('GET', path, { as: admin });
  expect(loginPolicy.parse(reply.json())).toEqual(before);
});

test('what is named is changed, the rest stays, and both values are recorded', async () => {
  const change = {
    mfa_sources: ['passkey'],
    mfa_methods: ['hwk'],
    mfa_max_age_seconds: 900,
    passkey_models: ['EE882879-721C-4913-9775-3DFCCE97072A'],
    session_max_seconds: 43_200,
    session_idle_seconds: 3_600,
    outage_grace_seconds: 0,
    device_login: 'same-network',
    ssh_codes: true,
    machine_access: false,
    source_pinning: 'network',
    registered_keys: true,
    max_connection_seconds: 28_800,
    idle_timeout_seconds: 900,
    hardware_keys: 'verified',
    hardware_attestation: 'required',
    hardware_models: ['ee882879-721c-4913-9775-3dfcce97072a'],
    hardware_authorities: [new AttestingMaker().authority.pem],
  };
  const reply = await set(change);
  const after = { ...before, ...change, passkey_models: ['ee882879-721c-4913-9775-3dfcce97072a'] };
  expect(reply.json()).toEqual(after);
  expect((await server.call('GET', path, { as: admin })).json()).toEqual(after);
  const rows = await server.database.db
    .selectFrom('audit_events')
    .select('facts')
    .where('event', '=', 'login_policy.changed')
    .execute();
  const { mfa_required: _, ...changed } = after;
  const { mfa_required: __, ...was } = before;
  expect(rows.map(({ facts }) => facts)).toEqual([{ before: was, after: changed, by: admin.account }]);
});

test('what changes nothing is not recorded', async () => {
  const count = () =>
    server.database.db
      .selectFrom('audit_events')
      .select('facts')
      .where('event', '=', 'login_policy.changed')
      .execute()
      .then((rows) => rows.length);
  const earlier = await count();
  expect((await set({ mfa_required: false })).statusCode).toBe(200);
  expect((await set({})).statusCode).toBe(200);
  expect(await count()).toBe(earlier);
});

test('only by admins', async () => {
  const bob = await server.person('bob', 'contributor');
  expect((await set({ mfa_required: false }, bob)).statusCode).toBe(403);
  expect((await server.call('GET', path, { as: bob })).statusCode).toBe(403);
});

test.each([
  { mfa_required: 'yes' },
  { mfa_sources: [] },
  { mfa_sources: ['provider', 'provider'] },
  { mfa_sources: ['sms'] },
  { mfa_methods: [] },
  { mfa_methods: ['HWK'] },
  { mfa_max_age_seconds: 0 },
  { mfa_max_age_seconds: 1.5 },
  { passkey_models: ['yubikey'] },
  { session_max_seconds: 299 },
  { session_max_seconds: 2_592_001 },
  { session_idle_seconds: 10 },
  { outage_grace_seconds: -1 },
  { device_login: true },
  { ssh_codes: null },
  { source_pinning: 'country' },
  { max_connection_seconds: 59 },
  { idle_timeout_seconds: 0 },
  { registered_keys: 'yes' },
  { hardware_keys: true },
  { hardware_attestation: 'maybe' },
  { hardware_models: ['yubikey'] },
  { hardware_authorities: ['-----BEGIN CERTIFICATE-----'] },
  { unknown: 1 },
])('refuses %j', async (change) => {
  const reply = await set(change);
  expect([reply.statusCode, reply.json().code]).toEqual([400, 'request_malformed']);
});
