import { afterEach, beforeEach, expect, test } from 'vitest';
import type { LiveConnection, MachineStanding } from '../../src/api/connections.ts';
import { Person } from './person.ts';
import { account, ServerDouble, sessionId } from './server-double.ts';

let server: ServerDouble;
let alice: Person;
beforeEach(async () => {
  server = new ServerDouble();
  await server.start();
  alice = new Person();
  await alice.login(server.url);
});
afterEach(async () => {
  await server.stop();
  alice.remove();
});

const seconds = () => Math.floor(Date.now() / 1000);
const connection = (change: Partial<LiveConnection> = {}): LiveConnection => ({
  account,
  session_id: sessionId,
  companion: 'gate',
  companion_kind: 'gateway',
  target: 'shop-production--web',
  way: 'relay',
  started_at: seconds() - 7_200,
  client_address: '192.0.2.7',
  ending: false,
  ...change,
});
const machine = (change: Partial<MachineStanding> = {}): MachineStanding => ({
  name: 'gate',
  kind: 'gateway',
  address: '192.0.2.1',
  port: 22,
  enrolled: true,
  online: true,
  last_seen_at: seconds(),
  acknowledged_version: '7',
  acknowledged_at: seconds(),
  behind: null,
  problem: null,
  krl_excess_bytes: null,
  ...change,
});

test('connections list shows who is connected where, which way and from where', async () => {
  const unknown = { target: null, way: null, client_address: null };
  server.answers['GET /v1/connections'] = {
    connections: [connection(), connection({ ...unknown, ending: true })],
  };
  const { code, stdout } = await alice.sally(['admin', 'connections', 'list']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^ACCOUNT +TARGET +THROUGH +WAY +FOR +FROM +SESSION\n/);
  expect(stdout).toMatch(new RegExp(`^${account} +shop-production--web +gate +relay +2 h +192.0.2.7`, 'm'));
  expect(stdout).toMatch(new RegExp(`^${account} +- +gate +ending +2 h +- +${sessionId}`, 'm'));
  const json = await alice.sally(['admin', 'connections', 'list', '--json']);
  expect(JSON.parse(json.stdout).connections).toHaveLength(2);
});

test('machines list shows who has not acknowledged, since when, and who can be reached', async () => {
  server.answers['GET /v1/companions'] = {
    version: '9',
    companions: [
      machine(),
      machine({ name: 'far', online: false, behind: { since: seconds() - 300, ended_sessions: 2 } }),
      machine({ name: 'new', enrolled: false, last_seen_at: null }),
      machine({ name: 'long', krl_excess_bytes: 512 }),
    ],
  };
  const { stdout } = await alice.sally(['admin', 'machines', 'list']);
  expect(stdout).toMatch(/^gate +gateway +online +current/m);
  expect(stdout).toMatch(/^far +gateway +offline +behind since 5 min ago, ended sessions: 2/m);
  expect(stdout).toMatch(/^new +gateway +.* +not enrolled +never/m);
  expect(stdout).toMatch(/^long .*its revocation list is 512 bytes too long$/m);
  const behind = await alice.sally(['admin', 'machines', 'list', '--behind']);
  expect(behind.stdout.trim().split('\n')).toHaveLength(2);
});

test('where there is nothing it says so', async () => {
  server.answers['GET /v1/connections'] = { connections: [] };
  server.answers['GET /v1/companions'] = { version: '9', companions: [machine()] };
  expect((await alice.sally(['admin', 'connections', 'list'])).stdout).toBe('Nobody is connected.\n');
  const behind = await alice.sally(['admin', 'machines', 'list', '--behind']);
  expect(behind.stdout).toBe('Every machine is current.\n');
});
