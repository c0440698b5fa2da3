import { afterAll, beforeAll, expect, test } from 'vitest';
import { inTransaction } from '../../src/database/transaction.ts';
import { companionById } from '../../src/inventory/companion.ts';
import { bumpStateVersion } from '../../src/revocation/state-version.ts';
import { startTestServer, type TestServer } from '../http/test-server.ts';
import { enrolMany } from './many-machines.ts';

let server: TestServer;
let ids: readonly string[];
beforeAll(async () => {
  server = await startTestServer();
  ids = (await enrolMany(server.database.db, server.shop, { count: 40, now: server.clock.now })).companionIds;
});
afterAll(() => server.close());

test('acknowledgements of many machines at once are all written, and one whose row somebody holds keeps nobody waiting', async () => {
  const { db } = server.database;
  const version = await inTransaction(db, (tx) => bumpStateVersion(tx, server.clock.now, { krl: false }));
  const { version: krl } = await server.authority.currentKrl();
  const [held = '', ...others] = ids;
  const said = { version: `${version}`, krl_version: krl, connections_ended: 1, problem: null };
  const waiting = server.feed.waitForAcknowledgements(server.shop.organizationId, version, 60_000);
  let isTaken = false;
  let late: Promise<void> | undefined;
  await inTransaction(db, async (tx) => {
    await tx.selectFrom('companions').select('id').where('id', '=', held).forUpdate().execute();
    late = server.feed.acknowledge(held, said).then(() => {
      isTaken = true;
    });
    await Promise.all(others.map((id) => server.feed.acknowledge(id, said)));
    expect(isTaken).toBe(false);
  });
  await late;
  // Everybody who was waited for has answered; the shop's own gateway is not enrolled.
  const progress = await waiting;
  expect(progress).toHaveLength(ids.length);
  expect(progress.every(({ acknowledged, connectionsEnded }) => acknowledged && connectionsEnded === 1)).toBe(
    true,
  );
  expect((await companionById(db, held)).acknowledged?.version).toBe(version);
});
