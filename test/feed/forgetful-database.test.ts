import { afterEach, beforeEach, expect, test } from 'vitest';
import { inTransaction } from '../../src/database/transaction.ts';
import { createEnrolmentToken } from '../../src/inventory/enrolment.ts';
import { recoverDatabase } from '../../src/operator/recover-database.ts';
import { bumpStateVersion, readStateVersion } from '../../src/revocation/state-version.ts';
import { enrolmentBody, startTestServer, type TestServer } from '../http/test-server.ts';

let server: TestServer;
let credential: string;
beforeEach(async () => {
  server = await startTestServer();
  credential = await server.enrol();
});
afterEach(() => server.close());

/** As a companion with this state asks. */
async function ask(path: string, installed: { version: bigint; krlVersion: bigint }) {
  const { version, krlVersion } = installed;
  const query = `?version=${version}&krl_version=${krlVersion}`;
  return await server.call('GET', `/v1/companions/${path}${query}`, { credential });
}

const versions = () => readStateVersion(server.database.db);
const later = (milliseconds: number) => new Date(server.clock.now.getTime() + milliseconds);

test('a machine that has what the database gave is sent its state', async () => {
  const reply = await ask('state', await versions());
  expect(reply.statusCode).toBe(200);
  expect(reply.json().companion.name).toBe('gate');
});

test('a machine that has more is sent nothing, and then nobody is, until the database is recovered', async () => {
  const { version, krlVersion } = await versions();
  const lost = { version: version + 5n, krlVersion: krlVersion + 5n };
  for (const path of ['state', 'feed']) {
    const reply = await ask(path, lost);
    expect(reply.statusCode).toBe(503);
    expect(reply.json()).toMatchObject({ code: 'recovery_needed' });
  }
  // Whatever version it says it has now: the stop is not its to end.
  expect((await ask('state', { version, krlVersion })).statusCode).toBe(503);
  const token = await inTransaction(server.database.db, (tx) =>
    createEnrolmentToken(tx, server.shop.gatewayId, { now: server.clock.now, lifetimeSeconds: 600 }),
  );
  const body = await enrolmentBody(token, server.publicUrl.hostname);
  expect((await server.call('POST', '/v1/companions/enrol', { body })).json().code).toBe('recovery_needed');

  const recovery = await inTransaction(server.database.db, (tx) =>
    recoverDatabase(tx, server.clock.now, { anyway: false }),
  );
  expect(recovery?.version).toBeGreaterThan(lost.version);
  const reply = await ask('state', lost);
  expect(reply.statusCode).toBe(200);
  expect(BigInt(reply.json().version)).toBeGreaterThan(lost.version);
  expect(BigInt(reply.json().krl.version)).toBeGreaterThan(lost.krlVersion);
  // The token was there before; whoever has it may have spent it in the history that is lost.
  expect((await server.call('POST', '/v1/companions/enrol', { body })).json().code).toBe('enrolment_refused');
});

test('an acknowledgement of what was never given stops issuing too: a machine refused the older state', async () => {
  const { version, krlVersion } = await versions();
  const acknowledgement = { connections_ended: 0, problem: 'The server offered an older state.' };
  const reply = await server.call('POST', '/v1/companions/acknowledgement', {
    credential,
    body: { version: `${version + 1n}`, krl_version: `${krlVersion}`, ...acknowledgement },
  });
  expect(reply.json().code).toBe('recovery_needed');
  expect((await ask('state', { version, krlVersion })).json().code).toBe('recovery_needed');
});

test('a version that no database ever gave is refused, and stops nothing', async () => {
  const { version, krlVersion } = await versions();
  const invented = { version: BigInt(later(2 * 86_400_000).getTime()), krlVersion };
  expect((await ask('state', invented)).json().code).toBe('request_malformed');
  expect((await ask('state', { version, krlVersion })).statusCode).toBe(200);
});

test.each(['?version=1', '?version=1&krl_version=x', '?krl_version=1', '?verson=1&krl_version=1'])(
  'half of what a machine has is no answer: %s',
  async (query) => {
    const reply = await server.call('GET', `/v1/companions/state${query}`, { credential });
    expect(reply.json().code).toBe('request_malformed');
  },
);

test('versions only grow while a machine has each of them', async () => {
  for (const krl of [false, true]) {
    await inTransaction(server.database.db, (tx) => bumpStateVersion(tx, server.clock.now, { krl }));
    expect((await ask('state', await versions())).statusCode).toBe(200);
  }
});
