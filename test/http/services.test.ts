/** GET /v1/services: what one may tunnel to, as gateways decide it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ServicesReply, servicesReply } from '../../src/api/services.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createShop } from '../inventory/shop.ts';
import { startTestServer, type TestPerson, type TestServer } from './test-server.ts';

let server: TestServer;
let admin: TestPerson;
let contributor: TestPerson;
const target = 'shop-production--web';

beforeAll(async () => {
  server = await startTestServer();
  admin = await server.person('admin', 'admin');
  contributor = await server.person('contributor', 'contributor');
  const { db } = server.database;
  const { environmentId } = server.shop;
  const other = await inTransaction(db, (tx) =>
    createShop(tx, server.clock.now, {
      organization: 'other',
      domain: 'other.example',
      project: 'mine',
      gateway: 'far',
    }),
  );
  const service = { environment_id: environmentId, kind: 'postgresql', address: '10.0.0.2', port: 5432 };
  await db
    .insertInto('services')
    .values([
      { ...service, slug: 'db', login: 'main', database: 'shop' },
      { ...service, slug: 'cache', kind: 'redis', port: 6379, login: null, database: null },
      { ...service, slug: 'vault', kind: 'http', role: 'admin', login: null, database: null },
      { ...service, slug: 'off', enabled: false, login: null, database: null },
      { ...service, slug: 'theirs', environment_id: other.environmentId, login: null, database: null },
    ])
    .execute();
});
afterAll(() => server.close());

async function services(as: TestPerson): Promise<ServicesReply> {
  return servicesReply.parse((await server.call('GET', `/v1/services?target=${target}`, { as })).json());
}
const namesOf = ({ services }: ServicesReply) => services.map(({ name }) => name);

test('the services of the environment are told with login and database, and no others', async () => {
  expect(await services(contributor)).toEqual({
    account: contributor.account,
    target,
    services: [
      { name: 'cache', kind: 'redis', address: '10.0.0.2', port: 6379, login: null, database: null },
      { name: 'db', kind: 'postgresql', address: '10.0.0.2', port: 5432, login: 'main', database: 'shop' },
    ],
    closed: [{ name: 'vault', kind: 'http', reason: 'role_too_low', role: 'admin' }],
  });
  expect(namesOf(await services(admin))).toEqual(['cache', 'db', 'vault']);
});

test('where the app allows no tunnels, none is open to anybody, and that is the reason', async () => {
  const { db } = server.database;
  const allow = (to: boolean) => db.updateTable('apps').set({ local_forwarding: to }).execute();
  await allow(false);
  const reply = await services(admin);
  await allow(true);
  expect(namesOf(reply)).toEqual([]);
  expect(reply.closed.map(({ name, reason }) => [name, reason])).toEqual([
    ['cache', 'forwarding_off'],
    ['db', 'forwarding_off'],
    ['vault', 'forwarding_off'],
  ]);
});

test('a target that one may not see is like one that there is not', async () => {
  const nobody = await server.person('nobody', null);
  const answers = [];
  for (const [name, as] of [
    [target, nobody],
    ['mine-production--web', admin],
    ['no-such--thing', admin],
  ] as const) {
    const reply = await server.call('GET', `/v1/services?target=${name}`, { as });
    const { code, detail } = reply.json();
    answers.push([reply.statusCode, code, detail.replace(name, 'NAME')]);
  }
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  expect(answers[0]?.slice(0, 2)).toEqual([404, 'not_found']);
});
