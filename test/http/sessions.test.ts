import { afterAll, beforeAll, expect, test } from 'vitest';
import { disableAccount } from '../../src/accounts/account.ts';
import { ownSession, revocationReply, sessionList } from '../../src/api/sessions.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createAccessRule } from '../../src/inventory/access-rules.ts';
import { createOrganization } from '../../src/inventory/organization.ts';
import { readStateVersion } from '../../src/revocation/state-version.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { requestFor } from '../ca/sample-authority.ts';
import { startTestServer, type TestPerson, type TestServer } from './test-server.ts';

let server: TestServer;
let admin: TestPerson;
let bob: TestPerson;
let stranger: TestPerson;
const unknownId = '00000000-0000-4000-8000-000000000000';
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

test('a person sees their own session and role', async () => {
  const reply = await server.call('GET', '/v1/session', { as: bob });
  const own = ownSession.parse(reply.json());
  expect(own).toMatchObject({ organization: 'acme', role: 'contributor', session: { id: bob.sessionId } });
});

test('an admin sees the sessions of their own organization and no other', async () => {
  const reply = await server.call('GET', '/v1/sessions', { as: admin });
  const { sessions } = sessionList.parse(reply.json());
  const ids = sessions.map(({ id }) => id);
  expect(ids).toContain(bob.sessionId);
  expect(ids).not.toContain(stranger.sessionId);
});

test('others may neither list nor revoke', async () => {
  expect(code(await server.call('GET', '/v1/sessions', { as: bob }))).toEqual([403, 'forbidden']);
  const revoke = await server.call('POST', `/v1/sessions/${bob.sessionId}/revoke`, { as: bob });
  expect(code(revoke)).toEqual([403, 'forbidden']);
});

test('who is an admin is decided anew in every request', async () => {
  const carol = await server.person('carol', null);
  expect(code(await server.call('GET', '/v1/sessions', { as: carol }))).toEqual([403, 'forbidden']);
  const { organizationId } = server.shop;
  const rule = await inTransaction(server.database.db, (tx) =>
    createAccessRule(tx, { organizationId, subject: { accountId: carol.accountId }, role: 'admin' }),
  );
  expect((await server.call('GET', '/v1/sessions', { as: carol })).statusCode).toBe(200);
  await server.database.db.deleteFrom('access_rules').where('id', '=', rule).execute();
  expect(code(await server.call('GET', '/v1/sessions', { as: carol }))).toEqual([403, 'forbidden']);
});

test('a role on a project does not make an admin, nor does a disabled account stay one', async () => {
  const { organizationId, projectId } = server.shop;
  const dave = await server.person('dave', null);
  await inTransaction(server.database.db, (tx) =>
    createAccessRule(tx, {
      organizationId,
      subject: { accountId: dave.accountId },
      role: 'admin',
      projectId,
    }),
  );
  expect(code(await server.call('GET', '/v1/sessions', { as: dave }))).toEqual([403, 'forbidden']);
  const erin = await server.person('erin', 'admin');
  expect((await server.call('GET', '/v1/sessions', { as: erin })).statusCode).toBe(200);
  await inTransaction(server.database.db, (tx) =>
    disableAccount(tx, { accountId: erin.accountId, by: 'test' }, server.clock.now),
  );
  expect(code(await server.call('GET', '/v1/sessions', { as: erin }))).toEqual([403, 'forbidden']);
});

test('a session of another organization is as unknown as one that never was', async () => {
  const foreign = await server.call('POST', `/v1/sessions/${bob.sessionId}/revoke`, { as: stranger });
  const unknown = await server.call('POST', `/v1/sessions/${unknownId}/revoke`, { as: stranger });
  const { request_id: _, ...one } = foreign.json();
  const { request_id: __, ...other } = unknown.json();
  expect(one).toEqual(other);
  expect(foreign.statusCode).toBe(404);
  expect((await server.call('GET', '/v1/session', { as: bob })).statusCode).toBe(200);
  expect(code(await server.call('POST', '/v1/sessions/nonsense/revoke', { as: admin }))).toEqual([
    404,
    'not_found',
  ]);
});

test('revoking ends the session, its certificates and its token, and says so', async () => {
  const frank = await server.person('frank', 'contributor');
  const request = await requestFor(server.authority, frank.sessionId, generateEd25519());
  expect((await server.call('POST', '/v1/certificates', { as: frank, body: request })).statusCode).toBe(200);
  const reply = await server.call('POST', `/v1/sessions/${frank.sessionId}/revoke`, { as: admin });
  const revoked = revocationReply.parse(reply.json());
  expect(revoked).toMatchObject({
    session: frank.sessionId,
    account: frank.account,
    certificates_revoked: 1,
    companions: [],
  });
  expect(BigInt(revoked.version)).toBe((await readStateVersion(server.database.db)).version);
  expect(code(await server.call('GET', '/v1/session', { as: frank }))).toEqual([401, 'session_ended']);

  const again = await server.call('POST', `/v1/sessions/${frank.sessionId}/revoke`, { as: admin });
  expect(again.json()).toEqual(reply.json());
});

test('logging out ends one’s own session', async () => {
  const gina = await server.person('gina', null);
  expect((await server.call('POST', '/v1/session/end', { as: gina })).statusCode).toBe(204);
  expect(code(await server.call('GET', '/v1/session', { as: gina }))).toEqual([401, 'session_ended']);
});

test('a certificate comes over HTTP, the same again for the same request', async () => {
  const challenge = await server.call('POST', '/v1/certificates/challenge', { as: bob });
  const issuing = { createChallenge: async () => challenge.json() };
  const body = await requestFor(issuing, bob.sessionId);
  const first = await server.call('POST', '/v1/certificates', { as: bob, body });
  expect(first.json()).toMatchObject({
    account: bob.account,
    principals: [bob.account, `mfa:${bob.account}`],
  });
  const second = await server.call('POST', '/v1/certificates', { as: bob, body });
  expect(second.json()).toEqual(first.json());
  const stolen = await server.call('POST', '/v1/certificates', { as: admin, body });
  expect(code(stolen)).toEqual([422, 'key_possession_unproven']);
});
