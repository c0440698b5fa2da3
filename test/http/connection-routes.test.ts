import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { connectionList, machineList } from '../../src/api/connections.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createCompanion } from '../../src/inventory/companion.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { startTestServer, type TestPerson, type TestServer } from './test-server.ts';

let server: TestServer;
let admin: TestPerson;
let bob: TestPerson;
let credential: string;
const seconds = () => Math.floor(server.clock.now.getTime() / 1000);
const later = (by: number) => {
  server.clock.now = new Date(server.clock.now.getTime() + by * 1000);
};

beforeAll(async () => {
  server = await startTestServer();
  admin = await server.person('admin', 'admin');
  bob = await server.person('bob', 'contributor');
  await inTransaction(server.database.db, (tx) =>
    createCompanion(tx, {
      organizationId: server.shop.organizationId,
      kind: 'host',
      name: 'web-1',
      address: '10.1.2.3',
      port: 22,
      gatewayLogin: null,
      environmentIds: [],
    }),
  );
});
beforeEach(async () => {
  credential = await server.enrol();
});
afterAll(() => server.close());

const connection = (person: TestPerson, pid: number) => ({
  key: `boot:${pid}:1`,
  account: person.account,
  session_id: person.sessionId,
  serial: '7',
  target: 'shop-production--web',
  started_at: seconds() - 60,
  way: 'relay',
  client_address: '2001:db8::7',
});

async function report(...connections: object[]): Promise<void> {
  const reply = await server.call('POST', '/v1/companions/connections', {
    credential,
    body: { connections },
  });
  expect(reply.statusCode).toBe(200);
}

async function connections(as: TestPerson, path = '/v1/connections') {
  return connectionList.parse((await server.call('GET', path, { as })).json()).connections;
}

async function gate() {
  const { version, companions } = machineList.parse(
    (await server.call('GET', '/v1/companions', { as: admin })).json(),
  );
  return { version, machine: companions.find(({ name }) => name === 'gate') };
}

/** Installs what there is, or says why not. */
async function acknowledge(problem: string | null = null): Promise<void> {
  const state = await server.feed.stateFor(server.shop.gatewayId);
  const body = { version: state.version, krl_version: state.krl.version, connections_ended: 0, problem };
  const reply = await server.call('POST', '/v1/companions/acknowledgement', { credential, body });
  expect(reply.statusCode).toBe(204);
}

const end = (sessionId: string) =>
  inTransaction(server.database.db, (tx) =>
    endSession(tx, { sessionId, reason: 'revoked', by: 'test' }, server.clock.now),
  );

test('an admin sees every live connection: whose, where to, which way, from where; others see their own', async () => {
  await report(connection(admin, 1), connection(bob, 2));
  const all = await connections(admin);
  expect(all.map(({ account }) => account).sort()).toEqual([admin.account, bob.account]);
  const mine = {
    account: bob.account,
    session_id: bob.sessionId,
    companion: 'gate',
    companion_kind: 'gateway',
    target: 'shop-production--web',
    way: 'relay',
    started_at: seconds() - 60,
    client_address: '2001:db8::7',
    ending: false,
  };
  expect(await connections(bob, '/v1/connections/own')).toEqual([mine]);
  expect((await server.call('GET', '/v1/connections', { as: bob })).statusCode).toBe(403);
  await report();
  expect(await connections(admin)).toEqual([]);
});

test('one whose session has ended is named as ending until the machine says that it is gone', async () => {
  const carol = await server.person('carol', 'contributor');
  await report(connection(carol, 3));
  await end(carol.sessionId);
  expect(await connections(admin)).toMatchObject([{ account: carol.account, ending: true }]);
  const page = await server.call('GET', '/console/connections', { cookie: admin.cookie });
  expect(page.body).toMatch(new RegExp(`${carol.account}[\\s\\S]*Ending[\\s\\S]*Relayed`));
  await report();
  expect(await connections(admin)).toEqual([]);
});

test('who has not acknowledged what, since when, and whether it can be reached', async () => {
  await acknowledge();
  expect(await gate()).toMatchObject({ machine: { online: true, behind: null, problem: null } });
  later(3);
  const people = [await server.person('dave', 'contributor'), await server.person('eve', 'contributor')];
  const since = seconds();
  for (const { sessionId } of people) {
    await end(sessionId);
    later(100);
  }
  const { version, machine } = await gate();
  expect(machine).toMatchObject({ online: false, behind: { since, ended_sessions: 2 } });
  expect(BigInt(machine?.acknowledged_version ?? 0)).toBeLessThan(BigInt(version));
  const page = await server.call('GET', '/console/companions', { cookie: admin.cookie });
  expect(page.body).toMatch(/Offline[\s\S]*Behind[\s\S]*Not acknowledged since[\s\S]*2 ended sessions/);

  await acknowledge('the disk is full');
  expect((await gate()).machine).toMatchObject({
    online: true,
    behind: { since, ended_sessions: 2 },
    problem: 'the disk is full',
  });
  await acknowledge();
  expect((await gate()).machine).toMatchObject({ online: true, behind: null, problem: null });
});

test('a machine that was never enrolled is not behind, and only admins see machines', async () => {
  const reply = await server.call('GET', '/v1/companions', { as: admin });
  const host = machineList.parse(reply.json()).companions.find(({ name }) => name === 'web-1');
  expect(host).toMatchObject({ enrolled: false, online: false, behind: null, last_seen_at: null });
  expect((await server.call('GET', '/v1/companions', { as: bob })).statusCode).toBe(403);
});
