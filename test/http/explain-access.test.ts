import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

test('of somebody whose session was idle for too long an admin is told just that, and asking is no use of a session', async () => {
  const admin = await server.person('admin', 'admin');
  const bob = await server.person('bob', 'contributor');
  const ask = async () =>
    await server.call('GET', `/v1/explain?target=shop-production--web&account=${bob.account}`, { as: admin });
  const usedAt = (secondsAgo: number) => ({
    idle_seconds: 300,
    last_used_at: new Date(server.clock.now.getTime() - secondsAgo * 1000),
  });
  const set = (columns: ReturnType<typeof usedAt>) =>
    server.database.db.updateTable('login_sessions').set(columns).where('id', '=', bob.sessionId).execute();

  await set(usedAt(200));
  expect((await ask()).json()).toMatchObject({ account: bob.account, allowed: true });
  const { last_used_at } = await server.database.db
    .selectFrom('login_sessions')
    .select('last_used_at')
    .where('id', '=', bob.sessionId)
    .executeTakeFirstOrThrow();
  expect(last_used_at).toEqual(usedAt(200).last_used_at);

  await set(usedAt(301));
  const reply = await ask();
  expect(reply.statusCode).toBe(200);
  expect(reply.json()).toMatchObject({ allowed: false, reasons: [{ code: 'session_ended' }] });
});
