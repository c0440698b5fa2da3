/** The CA key can't sign, as when a key service is down: nobody must be able to hide behind that. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inTransaction } from '../../src/database/transaction.ts';
import { createFeed } from '../../src/feed/feed.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { memorySigner } from '../ca/sample-authority.ts';
import { startTestServer, type TestServer } from '../http/test-server.ts';
import { temporaryFolder } from '../interop/ssh-keygen.ts';
import { type MachineOnFeed, machineOnFeed } from './machine-on-feed.ts';

const key = memorySigner();
let isAway = false;

const folder = temporaryFolder();
let server: TestServer;
let gateway: MachineOnFeed;
beforeAll(async () => {
  server = await startTestServer({
    userSigner: {
      ...key,
      sign: async (bytes) => {
        if (isAway) throw new Error('the key service is down');
        return await key.sign(bytes);
      },
    },
  });
  gateway = await machineOnFeed(server, server.shop.gatewayId, folder.path('gateway'));
});
afterAll(() => server.close());

test('an ended session reaches the gateways while the CA key is away; the list follows when it is back', async () => {
  const { database, authority, publicUrl, clock } = server;
  const bob = await server.person('bob', 'contributor');
  const told: string[] = [];
  const feed = await createFeed({
    database,
    authority,
    publicUrl,
    clock: () => clock.now,
    onError: (error) => told.push(String(error)),
    sweepMilliseconds: 20,
  });
  await gateway.listen(feed);
  const before = await gateway.installed(() => true);

  isAway = true;
  await inTransaction(database.db, (tx) =>
    endSession(tx, { sessionId: bob.sessionId, reason: 'revoked', by: 'an admin' }, clock.now),
  );
  const during = await gateway.installed(({ ended_sessions }) => ended_sessions.includes(bob.sessionId));
  expect(BigInt(during.version)).toBeGreaterThan(BigInt(before.version));
  expect(during.krl.version).toBe(before.krl.version);
  expect(told).toEqual([expect.stringContaining('The CA key could not sign')]);

  isAway = false;
  const after = await gateway.installed(({ krl }) => BigInt(krl.version) > BigInt(before.krl.version));
  expect(after.version).toBe(during.version);
  expect(gateway.problems).toEqual([]);
  gateway.leave();
  await feed.close();
});
