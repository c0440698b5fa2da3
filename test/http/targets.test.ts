import { afterAll, beforeAll, expect, test } from 'vitest';
import { explainReply } from '../../src/api/explain.ts';
import { sshConfiguration } from '../../src/api/ssh-configuration.ts';
import { retireCaKey } from '../../src/ca/retire-ca-key.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createAccessRule } from '../../src/inventory/access-rules.ts';
import { parsePublicKeyLine } from '../../src/ssh/public-key.ts';
import { requestFor } from '../ca/sample-authority.ts';
import { createShop, type Shop } from '../inventory/shop.ts';
import { startTestServer, type TestPerson, type TestServer } from './test-server.ts';

let server: TestServer;
let other: Shop;
let admin: TestPerson;
let bob: TestPerson;
let nobody: TestPerson;
const target = 'shop-production--web';

beforeAll(async () => {
  server = await startTestServer();
  admin = await server.person('admin', 'admin');
  bob = await server.person('bob', 'contributor');
  nobody = await server.person('nobody', null);
  other = await inTransaction(server.database.db, (tx) =>
    createShop(tx, server.clock.now, {
      organization: 'other',
      domain: 'other.example',
      project: 'mine',
      gateway: 'far',
    }),
  );
  await server.enrol();
  await server.enrol(other.gatewayId);
});
afterAll(() => server.close());

async function explain(as: TestPerson, query: string) {
  return await server.call('GET', `/v1/explain?${query}`, { as });
}

test('who gets in is told so', async () => {
  const reply = explainReply.parse((await explain(bob, `target=${target}`)).json());
  expect(reply).toEqual({
    account: bob.account,
    target,
    allowed: true,
    reasons: [],
    command: null,
    text: '',
    assumed: ['your login'],
  });
});

test('who has a certificate by a CA key that is not trusted any more is told to renew, and not after that', async () => {
  const { sessionId } = await server.person('renata', 'contributor');
  const renata = { ...bob, sessionId };
  const issue = async () => {
    const request = await requestFor(server.authority, sessionId);
    await server.authority.issueUserCertificate({ sessionId, request });
  };
  const isToRenew = async () =>
    explainReply.parse((await explain(renata, `target=${target}`)).json()).renew ?? false;
  await issue();
  expect(await isToRenew()).toBe(false);
  const change = { db: server.database.db, ...server.held, now: server.clock.now, by: 'test' };
  await retireCaKey(change, { purpose: 'user', generation: 1, compromised: true });
  expect(await isToRenew()).toBe(true);
  await server.authority.currentKrl(); // it knows the new key from here on
  await issue();
  expect(await isToRenew()).toBe(false);
});

test('who does not is told why, what helps, and what ssh says', async () => {
  const db = server.database.db;
  await db
    .updateTable('login_sessions')
    .set({ mfa: false, amr: ['pwd'], mfa_by: null })
    .where('id', '=', bob.sessionId)
    .execute();
  const reply = explainReply.parse((await explain(bob, `target=${target}`)).json());
  await db
    .updateTable('login_sessions')
    .set({ mfa: true, amr: ['pwd', 'otp'], mfa_by: 'provider' })
    .where('id', '=', bob.sessionId)
    .execute();
  expect(reply).toMatchObject({
    allowed: false,
    command: 'sally login --mfa',
    reasons: [{ code: 'mfa_missing' }],
  });
  expect(reply.text).toContain('Parameters: {"amr":["mfa"]}');
});

test('a target that one may not see is as unknown as one that does not exist', async () => {
  const invisible = explainReply.parse((await explain(nobody, `target=${target}`)).json());
  const foreign = explainReply.parse((await explain(nobody, 'target=mine-production--web')).json());
  const unknown = explainReply.parse((await explain(nobody, 'target=nothing-at--all')).json());
  const shape = (reply: typeof unknown) => JSON.stringify(reply).replaceAll(reply.target, 'TARGET');
  expect(unknown.reasons).toMatchObject([{ code: 'target_unknown' }]);
  expect(shape(invisible)).toBe(shape(unknown));
  expect(shape(foreign)).toBe(shape(unknown));
});

test('an admin may ask about somebody of the organization, others may not', async () => {
  const about = explainReply.parse((await explain(admin, `target=${target}&account=${bob.account}`)).json());
  expect(about).toMatchObject({ account: bob.account, allowed: true });
  const refused = await explain(bob, `target=${target}&account=${admin.account}`);
  expect([refused.statusCode, refused.json().code]).toEqual([403, 'forbidden']);
  const foreign = await explain(admin, `target=${target}&account=alice@other.example`);
  const unknown = await explain(admin, `target=${target}&account=nope@other.example`);
  expect([foreign.statusCode, unknown.statusCode]).toEqual([404, 404]);
  expect(foreign.json().detail.replace('alice', 'X')).toBe(unknown.json().detail.replace('nope', 'X'));
});

test('somebody who is not logged in lacks a login and nothing else', async () => {
  const { organizationId, accountId } = server.shop;
  await inTransaction(server.database.db, (tx) =>
    createAccessRule(tx, { organizationId, subject: { accountId }, role: 'contributor' }),
  );
  const reply = (await explain(admin, `target=${target}&account=alice@example.com`)).json();
  expect(reply).toMatchObject({
    allowed: false,
    reasons: [{ code: 'session_ended' }],
    command: 'sally login',
  });
  expect(reply.reasons).toHaveLength(1);
});

test('the ssh configuration holds the targets that one may see, and their gateway', async () => {
  const reply = await server.call('GET', '/v1/ssh-configuration', { as: bob });
  const configuration = sshConfiguration.parse(reply.json());
  expect(configuration).toEqual({
    account: bob.account,
    suffix: 'sallyport',
    host_authorities: await server.authority.hostAuthorityLines(),
    gateways: [{ name: 'gate', address: 'gate.example.com', port: 2222, login: null }],
    targets: [
      {
        name: target,
        gateway: 'gate',
        address: '10.1.2.3',
        port: 22,
        login: 'deploy',
        access: 'both',
        mfa_max_age: 900,
        narrow_to: { project: 'shop', environment: 'production' },
      },
    ],
  });
});

test('who may see nothing is told of no gateway', async () => {
  const reply = await server.call('GET', '/v1/ssh-configuration', { as: nobody });
  expect(sshConfiguration.parse(reply.json())).toMatchObject({ gateways: [], targets: [] });
});

test('the user CA’s keys are public, as lines for TrustedUserCAKeys', async () => {
  const reply = await server.call('GET', '/ssh/authority');
  expect(reply.headers['content-type']).toBe('text/plain; charset=utf-8');
  const [authority] = await server.authority.userAuthorities();
  expect(parsePublicKeyLine(reply.body.trimEnd()).blob).toEqual(
    parsePublicKeyLine(authority?.publicKeyLine ?? '').blob,
  );
});
