/** Two organizations, and what each may call its machines and places: never so that the other is in its way. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inTransaction } from '../../src/database/transaction.ts';
import { createShop } from '../inventory/shop.ts';
import { startTestServer, type TestPerson, type TestServer } from './test-server.ts';

let server: TestServer;
let acme: TestPerson;
let globex: TestPerson;
beforeAll(async () => {
  server = await startTestServer();
  await inTransaction(server.database.db, (tx) =>
    createShop(tx, server.clock.now, {
      organization: 'globex',
      domain: 'globex.example',
      project: 'billing',
      gateway: 'bastion',
    }),
  );
  acme = await server.person('admin', 'admin');
  globex = await server.person('admin', 'admin', { domain: 'globex.example', organization: 'globex' });
});
afterAll(() => server.close());

async function claim(as: TestPerson, gateway: string, ...host_names: string[]): Promise<unknown> {
  const reply = await server.call('POST', `/v1/inventory/gateways/${gateway}`, { as, body: { host_names } });
  return reply.statusCode === 200 ? 'given' : reply.json().code;
}

test('a name below a domain of another organization is never given, whether a machine has it or not', async () => {
  for (const name of ['example.com', 'ssh.example.com', 'a.b.example.com']) {
    expect(await claim(globex, 'bastion', 'ssh.globex.example', name)).toBe('name_taken');
  }
  expect(await claim(globex, 'bastion', 'ssh.globex.example', 'notexample.com')).toBe('given');
  expect(await claim(acme, 'gate', 'ssh.example.com')).toBe('given');
});

test("nobody's name is the one's who has it already, as a name or as an address", async () => {
  expect(await claim(acme, 'gate', 'one.nobody.test')).toBe('given');
  expect(await claim(globex, 'bastion', 'one.nobody.test')).toBe('name_taken');
  const made = { name: 'gate-two', address: 'two.nobody.test', host_names: ['one.nobody.test'] };
  const reply = await server.call('POST', '/v1/inventory/gateways', { as: acme, body: made });
  expect(reply.statusCode).toBe(201);
  expect(await claim(globex, 'bastion', 'two.nobody.test')).toBe('name_taken');
  // Whoever stands there stays, also where the other one has come to use its name as an address.
  expect(await claim(acme, 'gate', 'one.nobody.test', 'ssh.example.com')).toBe('given');
});

test('a name that was given up is free', async () => {
  expect(await claim(acme, 'gate', 'three.nobody.test')).toBe('given');
  expect(await claim(acme, 'gate')).toBe('given');
  expect(await claim(globex, 'bastion', 'three.nobody.test')).toBe('given');
});

test('nobody begins names of targets as another organization does, and so takes those of its next instances', async () => {
  const make = async (words: string, body: object, as = globex) => {
    const reply = await server.call('POST', `/v1/inventory/${words}`, { as, body });
    return reply.statusCode === 201 ? 'made' : reply.json().code;
  };
  expect(await make('projects', { name: 'shop' })).toBe('made');
  expect(await make('environments', { name: 'shop.production', kind: 'staging' })).toBe('name_taken');
  expect(await make('environments', { name: 'shop.staging', kind: 'staging' })).toBe('made');
  // However it is put together.
  expect(await make('projects', { name: 'shop-eu' }, acme)).toBe('made');
  expect(await make('environments', { name: 'shop-eu.test', kind: 'staging' }, acme)).toBe('made');
  expect(await make('environments', { name: 'shop.eu-test', kind: 'staging' })).toBe('name_taken');
});
