/** Leases as the server gives them: to whom, for which address, how long, and how they reach a machine and end. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { leaseList, leaseReply } from '../../src/api/leases.ts';
import { sweepLeases } from '../../src/connections/end-lease.ts';
import { leasesOfCompanions } from '../../src/connections/leases.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { startTestServer, type TestPerson, type TestServer } from './test-server.ts';

let server: TestServer;
let people = 0;
let alice: TestPerson;
const target = 'shop-production--web';
const start = new Date();

beforeAll(async () => {
  server = await startTestServer();
  await server.enrol();
});
afterAll(() => server.close());
beforeEach(async () => {
  people += 1;
  server.clock.now = start;
  alice = await server.person(`alice${people}`, 'contributor');
  await gate({ lease_max_seconds: 14_400, ports: [443] });
});

const gate = (values: { lease_max_seconds?: number | null; ports?: number[] }) =>
  server.database.db.updateTable('companions').set(values).where('id', '=', server.shop.gatewayId).execute();
const ask = (as: TestPerson, body: object = {}) =>
  server.call('POST', '/v1/leases', { as, body: { machine: 'gate', network: '203.0.113.5', ...body } });
async function lease(as: TestPerson = alice, body: object = {}) {
  const reply = await ask(as, body);
  expect([reply.statusCode, reply.body]).toEqual([201, expect.any(String)]);
  const [made] = leaseReply.parse(reply.json()).leases;
  if (made === undefined) throw new Error('no lease');
  return made;
}
const list = async (as: TestPerson) =>
  leaseList.parse((await server.call('GET', '/v1/leases', { as })).json());
async function atGate() {
  const { database, shop, clock } = server;
  const all = await leasesOfCompanions(database.db, [shop.gatewayId], clock.now);
  return all.get(shop.gatewayId) ?? [];
}
const at = (seconds: number) => {
  server.clock.now = new Date(start.getTime() + seconds * 1000);
};
const nowSeconds = () => Math.floor(server.clock.now.getTime() / 1000);

describe('a lease', () => {
  test('opens the machine’s SSH port for twenty minutes, and reaches the machine', async () => {
    const made = await lease();
    expect(made).toMatchObject({
      account: alice.account,
      machine: 'gate',
      kind: 'gateway',
      address: 'gate.example.com',
      port: 2222,
      network: '203.0.113.5',
      expires_at: nowSeconds() + 1_200,
    });
    expect(await atGate()).toContainEqual({
      id: made.id,
      network: '203.0.113.5',
      port: 2222,
      expiresAt: new Date(made.expires_at * 1000 + (start.getTime() % 1000)),
    });
    expect((await list(alice)).leases).toEqual([made]);
  });

  test('is for where the request comes from, if nothing else is said', async () => {
    const reply = await server.call('POST', '/v1/leases', { as: alice, body: { machine: 'gate' } });
    expect(reply.json().leases[0].network).toBe('127.0.0.1');
  });

  test('may be asked for by the name of a target: then it is of its gateways', async () => {
    expect(await lease(alice, { machine: target })).toMatchObject({ machine: 'gate' });
  });

  test('is extended when it is asked for again, and never shortened', async () => {
    const made = await lease();
    at(600);
    const again = await lease();
    expect(again).toMatchObject({ id: made.id, expires_at: nowSeconds() + 1_200 });
    const shorter = await lease(alice, { ttl_seconds: 60 });
    expect(shorter).toMatchObject({ id: made.id, expires_at: again.expires_at });
  });

  test('lasts 240 minutes at most, and no longer than the machine allows or the login lasts', async () => {
    expect((await ask(alice, { ttl_seconds: 14_401 })).statusCode).toBe(400);
    expect((await lease(alice, { ttl_seconds: 14_400 })).expires_at).toBe(nowSeconds() + 14_400);
    await gate({ lease_max_seconds: 300 });
    expect((await lease(alice, { ttl_seconds: 600, network: '203.0.113.6' })).expires_at).toBe(
      nowSeconds() + 300,
    );
    await gate({ lease_max_seconds: 14_400 });
    at(11.5 * 3_600);
    expect((await lease(alice, { ttl_seconds: 7_200 })).expires_at).toBe(
      Math.floor(start.getTime() / 1000) + 12 * 3_600,
    );
  });

  test('is gone when its time is over, when it is ended, and when its session is', async () => {
    const [short, ended, killed] = [
      await lease(alice, { ttl_seconds: 60 }),
      await lease(alice, { network: '203.0.113.6' }),
      await lease(alice, { network: '203.0.113.7' }),
    ];
    const held = async () => (await atGate()).map(({ id }) => id).filter((id) => ids.includes(id));
    const ids = [short, ended, killed].map(({ id }) => id);
    at(61);
    expect((await held()).sort()).toEqual([ended.id, killed.id].sort());
    const reply = await server.call('POST', `/v1/leases/${ended.id}/end`, { as: alice });
    expect(reply.json()).toMatchObject({ id: ended.id, version: expect.any(String) });
    expect(await held()).toEqual([killed.id]);
    await inTransaction(server.database.db, (tx) =>
      endSession(tx, { sessionId: alice.sessionId, reason: 'revoked', by: 'test' }, server.clock.now),
    );
    expect(await held()).toEqual([]);
    expect(
      (await server.call('POST', `/v1/leases/${ended.id}/end`, { as: await server.person('x', 'admin') }))
        .statusCode,
    ).toBe(404);
  });

  test('tells who asks where machines see them, if that is somewhere else', async () => {
    await server.database.db
      .insertInto('connections')
      .values({
        companion_id: server.shop.gatewayId,
        connection_key: `boot:${people}:1`,
        account_name: alice.account,
        session_id: alice.sessionId,
        serial: '1',
        target_name: null,
        started_at: start,
        ended_at: null,
        end_reason: null,
        way: 'menu',
        client_address: '198.51.100.9',
      })
      .execute();
    expect((await list(alice)).seen).toEqual([{ machine: 'gate', address: '198.51.100.9' }]);
    expect((await list(await server.person(`bob${people}`, 'contributor'))).seen).toEqual([]);
  });

  test('is swept a day after its end', async () => {
    const made = await lease(alice, { ttl_seconds: 60 });
    const rows = () =>
      server.database.db.selectFrom('leases').select('id').where('id', '=', made.id).execute();
    await sweepLeases(server.database.db, new Date(start.getTime() + 3_600_000));
    expect(await rows()).toHaveLength(1);
    await sweepLeases(server.database.db, new Date(start.getTime() + 90_000_000));
    expect(await rows()).toHaveLength(0);
  });

  test('is on record, with whoever ended it', async () => {
    const made = await lease();
    await lease();
    const admin = await server.person(`admin${people}`, 'admin');
    await server.call('POST', `/v1/leases/${made.id}/end`, { as: admin });
    const events = await server.database.db
      .selectFrom('audit_events')
      .select(['event', 'facts'])
      .where('account_id', '=', alice.accountId)
      .where('event', 'like', 'lease.%')
      .orderBy('id')
      .execute();
    expect(events.map(({ event, facts }) => [event, (facts as { by: string }).by])).toEqual([
      ['lease.created', alice.account],
      ['lease.extended', alice.account],
      ['lease.ended', admin.account],
    ]);
  });
});

describe('who gets one', () => {
  test('whoever may reach something there, and for others the machine is not there', async () => {
    const nobody = await server.person(`nobody${people}`, null);
    const shape = ({ statusCode, json }: Awaited<ReturnType<typeof ask>>) => ({
      statusCode,
      ...json(),
      request_id: '',
    });
    const unknown = shape(await ask(alice, { machine: 'nowhere' }));
    expect(unknown.statusCode).toBe(404);
    expect(shape(await ask(nobody))).toEqual(unknown);
    expect(shape(await ask(nobody, { machine: target }))).toEqual(unknown);
    const viewer = await server.person(`viewer${people}`, 'viewer');
    const low = await ask(viewer);
    expect([low.statusCode, low.json().reasons]).toEqual([403, ['role_insufficient']]);
  });

  test('nobody at a machine that gives none', async () => {
    await gate({ lease_max_seconds: null });
    const reply = await ask(alice);
    expect([reply.statusCode, reply.json().code]).toEqual([403, 'forbidden']);
    expect((await ask(alice, { machine: target })).statusCode).toBe(403);
  });

  test.each([
    ['203.0.113.0/24', 201, 201],
    ['203.0.112.0/23', 403, 201],
    ['0.0.0.0/7', 403, 403],
    ['2001:db8:1:100::/56', 201, 201],
    ['2001:db8::/48', 403, 201],
    ['2001:db8::7', 201, 201],
    ['203.0.113.5/24', 400, 400],
    ['::ffff:203.0.113.5', 400, 400],
    ['fe80::1%eth0', 400, 400],
    ['0.0.0.0/0', 400, 400],
    ['somewhere', 400, 400],
    ['203.0.113.5,203.0.113.6', 400, 400],
  ])('for %s a person %i, an admin %i', async (network, person, admin) => {
    expect((await ask(alice, { network })).statusCode).toBe(person);
    const boss = await server.person(`admin${people}`, 'admin');
    expect((await ask(boss, { network })).statusCode).toBe(admin);
  });

  test('an address with its full length is the address', async () => {
    expect((await lease(alice, { network: '203.0.113.5/32' })).network).toBe('203.0.113.5');
  });

  test('for the ports of sshd; admins for any', async () => {
    expect(await lease(alice, { port: 443 })).toMatchObject({ port: 443 });
    expect((await ask(alice, { port: 5432 })).statusCode).toBe(403);
    expect(await lease(await server.person(`admin${people}`, 'admin'), { port: 5432 })).toMatchObject({
      port: 5432,
    });
  });

  test('ten at once', async () => {
    for (let last = 1; last <= 10; last += 1) await lease(alice, { network: `203.0.113.${last}` });
    expect((await ask(alice, { network: '203.0.113.11' })).statusCode).toBe(403);
    await lease(alice, { network: '203.0.113.1' });
  });

  test('and ends only their own, unless as an admin', async () => {
    const made = await lease();
    const bob = await server.person(`bob${people}`, 'contributor');
    expect((await server.call('POST', `/v1/leases/${made.id}/end`, { as: bob })).statusCode).toBe(404);
    expect((await list(bob)).leases).toEqual([]);
    const admin = await server.person(`admin${people}`, 'admin');
    expect((await list(admin)).leases.map(({ id }) => id)).toContain(made.id);
  });
});
