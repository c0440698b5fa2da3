import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { returnPath } from '../../src/console/return-path.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createOrganization } from '../../src/inventory/organization.ts';
import { sessionDocument } from '../../src/sessions/session-documents.ts';
import { startTestServer, type TestPerson, type TestServer } from '../http/test-server.ts';

let server: TestServer;
let admin: TestPerson;
let stranger: TestPerson;
const own = { origin: 'https://ssh.example.com', 'sec-fetch-site': 'same-origin' };

beforeAll(async () => {
  server = await startTestServer();
  admin = await server.person('admin', 'admin');
  await inTransaction(server.database.db, (tx) =>
    createOrganization(tx, { slug: 'other', name: 'Other', domains: ['other.example'] }),
  );
  stranger = await server.person('mallory', 'admin', { domain: 'other.example', organization: 'other' });
});
afterAll(() => server.close());

const page = (as: TestPerson, url: string) =>
  server.call('GET', url, { cookie: as.cookie, headers: { accept: 'text/html' } });
const isLive = async (id: string) =>
  (await sessionDocument(server.database.db, id, server.clock.now)).ended_at === null;
const tokenIn = (body: string) => /name="csrf_token" value="([^"]+)"/.exec(body)?.[1] ?? '';

async function post(as: TestPerson, url: string, token: string, headers: Record<string, string> = own) {
  return await server.call('POST', url, {
    cookie: as.cookie,
    body: new URLSearchParams({ csrf_token: token }).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'text/html', ...headers },
  });
}

describe('signing in', () => {
  test('leads to the identity provider and back to where one was going', async () => {
    const first = await server.call('GET', '/');
    expect(first.headers.location).toBe('/console/sessions');
    const second = await server.call('GET', '/console/companions');
    expect(second.headers.location).toBe('/console/sign-in?return_to=%2Fconsole%2Fcompanions');
    const third = await server.call('GET', String(second.headers.location));
    const asked = new URL(String(third.headers.location));
    expect(asked.origin).toBe('https://login.example.com');
    expect(asked.searchParams.get('purpose')).toContain('"returnTo":"/console/companions"');
    expect(String(third.headers['set-cookie'])).toMatch(/^__Host-sallyport-login=login_.*HttpOnly/);
  });

  test.each([
    '//evil.example',
    '/\\evil.example',
    'https://evil.example/console',
    '/console/../v1',
    '/console//evil.example',
    '/console/%2e%2e',
    '/console/sessions?x=1',
    '/console/sessions\n',
    '/consoles',
    ['/console'],
    undefined,
  ])('does not lead to %j afterwards', (asked) => {
    expect(returnPath(asked)).toBe('/console/sessions');
  });

  test('gives a new cookie each time and ends the session before it [abuse 84]', async () => {
    const first = await server.call('GET', '/test/sign-in?name=zoe&return_to=/console/companions');
    expect(first.headers.location).toBe('/console/companions');
    const cookie = String(first.headers['set-cookie']);
    expect(cookie).toMatch(
      /^__Host-sallyport-session=console_[A-Za-z0-9_-]{43}; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    );
    const value = cookie.split(';')[0] ?? '';
    expect((await server.call('GET', '/console/sessions', { cookie: value })).statusCode).toBe(200);

    const second = await server.call('GET', '/test/sign-in?name=zoe', { cookie: value });
    expect(String(second.headers['set-cookie']).split(';')[0]).not.toBe(value);
    expect((await server.call('GET', '/console/sessions', { cookie: value })).statusCode).toBe(303);
  });

  test('ignores a cookie that somebody else planted', async () => {
    const planted = `__Host-sallyport-session=console_${'A'.repeat(43)}`;
    const reply = await server.call('GET', '/test/sign-in?name=yan', { cookie: planted });
    expect(String(reply.headers['set-cookie'])).not.toContain('A'.repeat(43));
    expect((await server.call('GET', '/console/sessions', { cookie: planted })).statusCode).toBe(303);
  });
});

describe('the list of sessions', () => {
  test('shows an admin the organization’s sessions and no other', async () => {
    const bob = await server.person('bob', 'contributor');
    const { body } = await page(admin, '/console/sessions');
    expect(body).toContain(bob.account);
    expect(body).toContain(`/console/sessions/${bob.sessionId}/end`);
    expect(body).not.toContain(stranger.account);
  });

  test('shows everybody else their own', async () => {
    const carol = await server.person('carol', 'contributor');
    const { body } = await page(carol, '/console/sessions');
    expect(body).toContain(carol.sessionId);
    expect(body).not.toContain(admin.account);
    expect(body).not.toContain('/console/companions');
    const machines = await page(carol, '/console/companions');
    expect(machines.statusCode).toBe(403);
  });

  test('has no word of a hostile client’s that is markup', async () => {
    await server.call('GET', '/test/sign-in?name=eve', {
      headers: { 'user-agent': '<script>alert(1)</script>' },
    });
    const { body } = await page(admin, '/console/sessions');
    expect(body).toContain('&#60;script&#62;alert(1)');
    expect(body).not.toContain('<script>');
  });
});

describe('ending a session', () => {
  test('asks first, then ends it and shows what became of it', async () => {
    await server.enrol();
    const dave = await server.person('dave', 'contributor');
    const url = `/console/sessions/${dave.sessionId}/end`;
    const question = await page(admin, url);
    expect(question.body).toContain('End this session?');
    expect(await isLive(dave.sessionId)).toBe(true);
    const done = await post(admin, url, tokenIn(question.body));
    expect([done.statusCode, done.headers.location]).toEqual([303, `/console/sessions/${dave.sessionId}`]);
    expect(await isLive(dave.sessionId)).toBe(false);
    const after = await page(admin, `/console/sessions/${dave.sessionId}`);
    expect(after.body).toContain('Ended');
    expect(after.body).toMatch(/data-companion="gate"[\s\S]*Waiting/);

    const state = await server.feed.stateFor(server.shop.gatewayId);
    await server.feed.acknowledge(server.shop.gatewayId, {
      version: state.version,
      krl_version: state.krl.version,
      connections_ended: 0,
      problem: null,
    });
    const acknowledged = await page(admin, `/console/sessions/${dave.sessionId}`);
    expect(acknowledged.body).toMatch(/data-companion="gate"[\s\S]*Done/);
    expect((await page(admin, url)).headers.location).toBe(`/console/sessions/${dave.sessionId}`);
  });

  test('of another organization or another person is as unknown as one that never was', async () => {
    const erin = await server.person('erin', 'contributor');
    const token = tokenIn((await page(stranger, '/console/sessions')).body);
    for (const url of [`/console/sessions/${erin.sessionId}`, `/console/sessions/${erin.sessionId}/end`]) {
      expect((await page(stranger, url)).statusCode).toBe(404);
    }
    expect((await post(stranger, `/console/sessions/${erin.sessionId}/end`, token)).statusCode).toBe(404);
    const ownToken = tokenIn((await page(erin, '/console/sessions')).body);
    expect((await post(erin, `/console/sessions/${admin.sessionId}/end`, ownToken)).statusCode).toBe(404);
    expect([await isLive(erin.sessionId), await isLive(admin.sessionId)]).toEqual([true, true]);
  });

  test('may end one’s own other session, and one’s own browser’s, which signs out', async () => {
    const frank = await server.person('frank', null);
    const token = tokenIn((await page(frank, '/console/sessions')).body);
    await post(frank, `/console/sessions/${frank.sessionId}/end`, token);
    expect(await isLive(frank.sessionId)).toBe(false);
    const out = await post(frank, `/console/sessions/${frank.browserSessionId}/end`, token);
    expect(out.headers.location).toBe('/console/signed-out');
    expect(String(out.headers['set-cookie'])).toContain('__Host-sallyport-session=;');
    expect((await page(frank, '/console/sessions')).statusCode).toBe(303);
  });

  describe('from elsewhere is refused', () => {
    let gina: TestPerson;
    let token: string;
    beforeAll(async () => {
      gina = await server.person('gina', 'contributor');
      token = tokenIn((await page(admin, '/console/sessions')).body);
    });

    test.each([
      ['no origin', {}],
      ['another origin', { origin: 'https://evil.example' }],
      ['the origin null', { origin: 'null' }],
      ['our origin on another port', { origin: 'https://ssh.example.com:444' }],
      ['our name without encryption', { origin: 'http://ssh.example.com' }],
      ['another site', { 'sec-fetch-site': 'cross-site' }],
      ['a sibling of our site', { 'sec-fetch-site': 'same-site', origin: own.origin }],
      ['a direct navigation', { 'sec-fetch-site': 'none' }],
    ] as [string, Record<string, string>][])('with %s', async (_what, headers) => {
      const reply = await post(admin, `/console/sessions/${gina.sessionId}/end`, token, headers);
      expect(reply.statusCode).toBe(403);
      expect(await isLive(gina.sessionId)).toBe(true);
    });

    test.each([
      ['no token', ''],
      ['another session’s token', 'other'],
    ])('with %s', async (_what, kind) => {
      const given = kind === 'other' ? tokenIn((await page(stranger, '/console/sessions')).body) : '';
      const reply = await post(admin, `/console/sessions/${gina.sessionId}/end`, given);
      expect(reply.statusCode).toBe(403);
      expect(await isLive(gina.sessionId)).toBe(true);
    });

    test.each(['text/plain', 'application/json', 'multipart/form-data; boundary=x'])(
      'with a body of type %s',
      async (type) => {
        const reply = await post(admin, `/console/sessions/${gina.sessionId}/end`, token, {
          ...own,
          'content-type': type,
        });
        expect(reply.statusCode).toBe(400);
        expect(await isLive(gina.sessionId)).toBe(true);
      },
    );

    test('by reading', async () => {
      await page(admin, `/console/sessions/${gina.sessionId}/end?csrf_token=${token}`);
      expect(await isLive(gina.sessionId)).toBe(true);
    });
  });
});

test('signing out ends the browser’s session and nothing else', async () => {
  const hugo = await server.person('hugo', null);
  const token = tokenIn((await page(hugo, '/console/sessions')).body);
  const reply = await post(hugo, '/console/sign-out', token);
  expect(reply.headers.location).toBe('/console/signed-out');
  expect([await isLive(hugo.browserSessionId), await isLive(hugo.sessionId)]).toEqual([false, true]);
});

test('the list of machines says what is behind', async () => {
  const { body } = await page(admin, '/console/companions');
  expect(body).toMatch(/data-companion="gate"[\s\S]*(Current|Behind)/);
});

test('over http on this machine the cookie has no prefix and is not marked secure', async () => {
  const local = await startTestServer({ publicUrl: 'http://localhost:8420' });
  const reply = await local.call('GET', '/test/sign-in?name=zoe');
  expect(String(reply.headers['set-cookie'])).toMatch(
    /^sallyport-session=console_[^;]+; Path=\/; HttpOnly; SameSite=Lax$/,
  );
  await local.close();
});
