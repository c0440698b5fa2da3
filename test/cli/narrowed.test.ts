/** `sally cert ensure --environment`: a key and certificate of their own, for hosts that know nobody's roles. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { narrowedPaths } from '../../src/cli/narrowed-paths.ts';
import { statePaths } from '../../src/cli/state-paths.ts';
import { optionsOf, Person } from './person.ts';
import { ServerDouble } from './server-double.ts';

let server: ServerDouble;
let alice: Person;
const production = { project: 'shop', environment: 'production' };
const ensure = (...more: string[]) => ['cert', 'ensure', '--environment', 'shop/production', ...more];
const narrowed = () => narrowedPaths(alice.paths, production);
const certificateRequests = () =>
  server.bodies.map((body) => JSON.parse(body)).filter((body) => 'public_key' in body);

beforeEach(async () => {
  server = new ServerDouble();
  await server.start();
  alice = new Person();
  await alice.login(server.url);
});
afterEach(async () => {
  await server.stop();
  alice.remove();
  expect(server.failures).toEqual([]);
});

const at = (seconds: number) => () => new Date(Date.now() + seconds * 1000);

test('asks for the environment, and leaves the general certificate alone', async () => {
  const general = alice.identity();
  const { code, stdout } = await alice.sally(ensure());
  expect(code).toBe(0);
  expect(certificateRequests().map(({ environment }) => environment)).toEqual([undefined, production]);
  expect(alice.identity()).toBe(general);
  expect(stdout).toContain(`Include "${narrowed().identity}"`);
  const keys = certificateRequests().map(({ public_key }) => public_key);
  expect(new Set(keys).size).toBe(2);
});

test('is what ssh offers where the line that it prints stands', async () => {
  const { stdout } = await alice.sally(ensure());
  const [line = ''] = /Include .*/.exec(stdout) ?? [];
  alice.writeConfig(`Host web-1.example.com\n  User app\n  ${line}\n`);
  const named = optionsOf(alice.ssh(['-G', 'web-1.example.com']).stdout);
  const [id = ''] = readdirSync(narrowed().pairs);
  expect(named.get('identityfile')).toEqual([join(narrowed().pairs, id, 'id_ed25519')]);
  expect(named.get('certificatefile')).toEqual([join(narrowed().pairs, id, 'id_ed25519-cert.pub')]);
  const other = optionsOf(alice.ssh(['-G', 'other.example.com']).stdout);
  expect(other.get('certificatefile')).toBeUndefined();
});

test('is renewed when it is due itself, whatever the general one is', async () => {
  server.faults.certificateLifeSeconds = 600;
  await alice.sally(ensure());
  expect(server.issued).toBe(2);
  await alice.sally(ensure('--quiet'));
  expect(server.issued).toBe(2);
  await alice.sally(ensure('--quiet'), { now: at(520) });
  expect(server.issued).toBe(3);
  expect(certificateRequests().at(-1)?.environment).toEqual(production);
});

test('that is refused costs the general one nothing, and says why', async () => {
  const general = alice.identity();
  const detail = 'There is no environment of this name that you have a role on.';
  server.faults.refuse = { '/v1/certificates': { status: 403, code: 'access_denied', detail } };
  const { code, stderr } = await alice.sally(ensure());
  expect(code).toBe(4);
  expect(stderr).toContain(detail);
  expect(alice.identity()).toBe(general);
  expect(existsSync(narrowed().identity)).toBe(false);
});

test('is offered no more when the session is over', async () => {
  await alice.sally(ensure());
  server.faults.sessionOver = true;
  expect((await alice.sally(ensure('--force'))).code).toBe(3);
  expect(readFileSync(narrowed().identity, 'utf8')).toContain('IdentityFile none');
  expect(alice.identity()).toContain('IdentityFile none');
});

test('goes with the logout', async () => {
  await alice.sally(ensure());
  await alice.sally(['logout']);
  expect(existsSync(narrowed().own)).toBe(false);
});

test('of a machine lies apart from that of the person who uses the same home', async () => {
  const general = alice.identity();
  const environment = { server: server.url, machine: { apiToken: 'sallyport_a-token-of-the-test' } };
  const { code, stderr } = await alice.sally(ensure(), { environment });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const { identity } = narrowedPaths(statePaths(alice.home, 'machine'), production);
  expect(readFileSync(identity, 'utf8')).toContain('/machine/environments/shop/production/pairs/');
  expect(existsSync(narrowed().identity)).toBe(false);
  expect(alice.identity()).toBe(general);
});

test.each(['shop', 'shop/', '/production', 'shop/production/web', '../etc', 'Shop/Production'])(
  'refuses %j as an environment',
  async (name) => {
    const { code, stderr } = await alice.sally(['cert', 'ensure', '--environment', name]);
    expect(code).toBe(2);
    expect(stderr).toContain('such as shop/production');
  },
);
