import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestServer, type TestPerson, type TestServer } from '../http/test-server.ts';

let server: TestServer;
let admin: TestPerson;
beforeAll(async () => {
  server = await startTestServer();
  admin = await server.person('admin', 'admin');
});
afterAll(() => server.close());

const own = { origin: 'https://ssh.example.com', 'sec-fetch-site': 'same-origin' };
const page = (as: TestPerson, url: string) =>
  server.call('GET', url, { cookie: as.cookie, headers: { accept: 'text/html' } });
const tokenIn = (body: string) => /name="csrf_token" value="([^"]+)"/.exec(body)?.[1] ?? '';
async function post(as: TestPerson, url: string, fields: Record<string, string> = {}) {
  const csrf_token = tokenIn((await page(as, '/console/sessions')).body);
  return await server.call('POST', url, {
    cookie: as.cookie,
    body: new URLSearchParams({ csrf_token, ...fields }).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'text/html', ...own },
  });
}
const isLive = async (id: string) =>
  (
    await server.database.db
      .selectFrom('login_sessions')
      .select('ended_at')
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
  ).ended_at === null;

describe('accounts in the console', () => {
  test('are listed for admins, each with a page of its own, and for nobody else', async () => {
    const bob = await server.person('bob', 'viewer', { groups: ['developers'] });
    const list = await page(admin, '/console/accounts');
    expect([list.statusCode, list.body]).toEqual([200, expect.stringContaining(bob.account)]);
    const one = await page(admin, `/console/accounts/${bob.account}`);
    expect([one.statusCode, one.body]).toEqual([200, expect.stringContaining('End all 2 sessions')]);
    for (const path of ['/console/accounts', `/console/accounts/${bob.account}`]) {
      expect((await page(bob, path)).statusCode).toBe(403);
    }
    expect((await page(admin, '/console/accounts/nobody@example.com')).statusCode).toBe(404);
    expect((await page(admin, '/console/accounts/nonsense')).statusCode).toBe(404);
  });

  test('lose their sessions, are disabled and enabled', async () => {
    const carol = await server.person('carol', null);
    const at = `/console/accounts/${carol.account}`;
    expect((await post(carol, `${at}/end-sessions`)).statusCode).toBe(403);
    const ended = await post(admin, `${at}/end-sessions`);
    expect([ended.statusCode, ended.headers.location]).toEqual([303, at]);
    expect([await isLive(carol.sessionId), await isLive(carol.browserSessionId)]).toEqual([false, false]);
    await post(admin, `${at}/disable`);
    expect((await page(admin, at)).body).toContain('Disabled');
    await expect(server.person('carol', null)).rejects.toMatchObject({ code: 'login_rejected' });
    await post(admin, `${at}/enable`);
    expect((await page(admin, at)).body).toContain('Active');
  });

  test('that are the last admin’s are not disabled, and the page says why', async () => {
    const reply = await post(admin, `/console/accounts/${admin.account}/disable`);
    expect([reply.statusCode, reply.body]).toEqual([403, expect.stringContaining('only admin')]);
    expect(await isLive(admin.browserSessionId)).toBe(true);
  });

  test('of machines are made; what is wrong is told beside what was typed', async () => {
    const made = await post(admin, '/console/accounts', { name: 'deploy@example.com', display_name: 'CI' });
    expect(made.headers.location).toBe('/console/accounts/deploy@example.com');
    const refused = await post(admin, '/console/accounts', { name: 'deploy@x.example', display_name: 'CI' });
    expect([refused.statusCode, refused.body]).toEqual([
      422,
      expect.stringContaining('value="deploy@x.example"'),
    ]);
    expect(refused.body).toContain('domain of the organization');
  });
});

describe('many sessions in the console', () => {
  test('a person ends all their others', async () => {
    const dave = await server.person('dave', null);
    expect((await post(dave, '/console/sessions/end-others')).headers.location).toBe('/console/sessions');
    expect([await isLive(dave.sessionId), await isLive(dave.browserSessionId)]).toEqual([false, true]);
    expect(await isLive(admin.sessionId)).toBe(true);
  });

  test('an admin ends everything before a moment that is past; others may not', async () => {
    const erin = await server.person('erin', null);
    const began = server.clock.now;
    const text = (time: Date) => time.toISOString().slice(0, 16);
    const minute = (count: number) => text(new Date(began.getTime() + count * 60_000));
    const path = '/console/sessions/end-before';
    expect((await post(erin, path, { before: minute(0) })).statusCode).toBe(403);
    for (const before of [minute(5), '2026-13-45T00:00', 'yesterday', '']) {
      expect((await post(admin, path, { before })).statusCode).toBe(400);
    }
    expect(await isLive(erin.sessionId)).toBe(true);
    server.clock.now = new Date(began.getTime() + 120_000);
    expect((await post(admin, path, { before: minute(1) })).statusCode).toBe(303);
    expect([await isLive(erin.sessionId), await isLive(admin.browserSessionId)]).toEqual([false, false]);
  });
});
