/** What no route may do, tried on each that there is. A new one is tried without anybody having to think of it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { csrfTokenFor } from '../../src/http/session-cookie.ts';
import { everythingStored } from '../database/everything-stored.ts';
import { startTestServer, type TestPerson, type TestServer } from './test-server.ts';

let server: TestServer;
let admin: TestPerson;
let stranger: TestPerson;
beforeAll(async () => {
  server = await startTestServer();
  admin = await server.person('admin', 'admin');
  await server.database.db
    .insertInto('organizations')
    .values({ slug: 'globex', name: 'Globex' })
    .onConflict((on) => on.doNothing())
    .execute();
  await server.database.db
    .insertInto('organization_domains')
    .values({
      domain: 'globex.example',
      organization_id: server.database.db
        .selectFrom('organizations')
        .select('id')
        .where('slug', '=', 'globex'),
    })
    .execute();
  stranger = await server.person('stranger', 'admin', { domain: 'globex.example', organization: 'globex' });
});
afterAll(() => server.close());

const isOwn = ({ path }: { path: string }) => !path.startsWith('/test/') && path !== '/oauth/*';
const routes = () => server.app.routeList.filter(isOwn);
const cookieValue = ({ cookie }: TestPerson) => cookie.slice(cookie.indexOf('=') + 1);
const tokenOf = (person: TestPerson) => csrfTokenFor(cookieValue(person));

async function form(person: TestPerson, path: string, headers: Record<string, string>, fields = '') {
  return await server.call('POST', path, {
    cookie: person.cookie,
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'text/html', ...headers },
    body: fields,
  });
}

describe('forms', () => {
  test('[abuse 93] no form of the console does anything for another site, without its token, or as another type', async () => {
    const ours = { origin: server.publicUrl.origin };
    const token = `csrf_token=${tokenOf(admin)}`;
    const paths = routes()
      .filter(({ method, auth }) => method === 'POST' && auth === 'browser')
      .map(({ path }) => path.replace(/:[a-z_]+/gi, admin.sessionId));
    expect(paths).toContain(`/console/sessions/${admin.sessionId}/end`);
    const before = await everythingStored(server.database);
    for (const path of paths) {
      const elsewhere: Record<string, string>[] = [
        {},
        { origin: 'https://evil.example' },
        { origin: 'null' },
        { origin: `${ours.origin}:444` },
        { origin: ours.origin.replace('https:', 'http:') },
        { origin: ours.origin.replace('//', '//evil.') },
        { 'sec-fetch-site': 'cross-site' },
        { 'sec-fetch-site': 'none' },
        { ...ours, 'sec-fetch-site': 'same-site' },
        { origin: 'null', 'sec-fetch-site': 'same-origin' },
      ];
      for (const headers of elsewhere) {
        const reply = await form(admin, path, headers, token);
        expect([path, headers, reply.statusCode]).toEqual([path, headers, 403]);
      }
      for (const fields of ['', 'csrf_token=', `csrf_token=${tokenOf(stranger)}`, `${token}&${token}`]) {
        const reply = await form(admin, path, ours, fields);
        expect([path, fields, [400, 403].includes(reply.statusCode)]).toEqual([path, fields, true]);
      }
      for (const type of ['text/plain', 'application/json', 'multipart/form-data; boundary=x', '']) {
        const reply = await form(admin, path, { ...ours, 'content-type': type }, token);
        expect([path, type, reply.statusCode]).toEqual([path, type, 400]);
      }
      // Reading does nothing, whatever the address says.
      await server.call('GET', `${path}?${token}`, { cookie: admin.cookie });
    }
    // The API takes no cookie at all, from our own pages neither.
    for (const { method, path, auth } of routes().filter(({ method }) => method !== 'GET')) {
      if (!['person', 'admin', 'operator', 'companion'].includes(auth)) continue;
      const url = path.replace(/:[a-z_]+/gi, admin.sessionId);
      const reply = await server.call(method as 'POST', url, {
        cookie: admin.cookie,
        headers: ours,
        body: {},
      });
      expect([path, reply.statusCode]).toEqual([path, 401]);
      const foreign = { origin: 'https://evil.example' };
      const other = await server.call(method as 'POST', url, { as: admin, headers: foreign, body: {} });
      expect([path, other.statusCode]).toEqual([path, 403]);
    }
    expect(await everythingStored(server.database)).toBe(before);
    // With everything as it should be, none is taken for another site's.
    for (const path of paths) {
      const person = await server.person('control', 'admin');
      const reply = await form(person, path, { ...ours, accept: '' }, `csrf_token=${tokenOf(person)}`);
      expect([path, reply.body.includes('cross_site_request')]).toEqual([path, false]);
    }
  });
});

describe('redirects', () => {
  const hostile = [
    '//evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '/%09/evil.example',
    '/\t/evil.example',
    'https://evil.example/',
    'https:evil.example',
    'https://ssh.example.com@evil.example/',
    'https://ssh.example.com.evil.example/',
    'javascript:alert(1)',
    'data:text/html,x',
    '/console/sessions//evil.example',
    '/console/../../evil.example',
    '/console/sessions\r\nLocation: https://evil.example',
  ];
  const names = [
    'return_to',
    'redirect_uri',
    'post_logout_redirect_uri',
    'next',
    'url',
    'to',
    'RelayState',
    'state',
  ];

  const named = (name: string, value: string) => `${name}=${encodeURIComponent(value)}`;
  /** Every value under all names at once, and one of each kind under each name alone, where no other is refused first. */
  const queries = [
    '',
    ...hostile.map((value) => `?${names.map((name) => named(name, value)).join('&')}`),
    ...names.flatMap((name) =>
      ['//evil.example', 'https://evil.example/', 'javascript:alert(1)'].map(
        (value) => `?${named(name, value)}`,
      ),
    ),
  ];

  /** Where a reply leads, by whatever means a browser follows. */
  function leadsTo({ headers, body }: { headers: Record<string, unknown>; body: string }): string[] {
    const [, refresh] = /^[0-9]+; ?url=(.*)$/i.exec(String(headers['refresh'] ?? '')) ?? [];
    const links = [...body.matchAll(/(?:href|action|src|content)="([^"]*)"/g)].map(([, link]) => link ?? '');
    return [String(headers['location'] ?? ''), refresh ?? '', ...links].filter((link) => link !== '');
  }
  const isOurs = (link: string) => {
    const { origin } = new URL(link, server.publicUrl);
    return origin === server.publicUrl.origin || origin === 'https://login.example.com';
  };

  test('[abuse 63] no address leads to anywhere but our own pages and the identity provider', async () => {
    const pages = routes().filter(({ method, path }) => method === 'GET' && !path.startsWith('/v1/'));
    let redirects = 0;
    for (const { path } of pages) {
      for (const cookie of ['', admin.cookie]) {
        for (const query of queries) {
          const url = `${path.replace(/:[a-z_]+/gi, admin.sessionId)}${query}`;
          const reply = await server.call('GET', url, { headers: { accept: 'text/html', cookie } });
          if (reply.statusCode < 400 && reply.headers.location) redirects += 1;
          const strange = leadsTo(reply).filter((link) => !isOurs(link));
          expect([url, strange]).toEqual([url, []]);
        }
      }
    }
    expect(redirects).toBeGreaterThan(10);
    // Where somebody is sent after the login, which the identity provider carries for us.
    for (const value of hostile) {
      const begun = await server.call('GET', `/console/sign-in?return_to=${encodeURIComponent(value)}`);
      expect(decodeURIComponent(String(begun.headers.location))).not.toContain('evil');
      const back = await server.call('GET', `/test/sign-in?name=zoe&return_to=${encodeURIComponent(value)}`);
      expect([value, back.headers.location]).toEqual([value, '/console/sessions']);
    }
    // A path that the router takes for one of ours, sent to sign in first.
    for (const path of [
      '/console/sessions//evil.example',
      '//evil.example/console',
      '/console/sessions/..//evil.example',
    ]) {
      const reply = await server.call('GET', path, { headers: { accept: 'text/html' } });
      expect(leadsTo(reply).filter((link) => !isOurs(link))).toEqual([]);
    }
  });
});

describe('cookies', () => {
  test('none is set by the API, and each that is set says whom it belongs to', async () => {
    const cookies: string[] = [];
    for (const { method, path } of routes()) {
      if (path === '/v1/companions/feed') continue;
      const url = path.replace(/:[a-z_]+/gi, admin.sessionId);
      const headers = { accept: 'text/html', origin: server.publicUrl.origin };
      const reply = await server.call(method as 'GET', url, { headers });
      const set = [reply.headers['set-cookie'] ?? []].flat();
      if (!/^\/(console|login|device|oauth)/.test(path)) expect([path, set]).toEqual([path, []]);
      cookies.push(...set);
    }
    const signedIn = await server.call('GET', '/test/sign-in?name=yan');
    cookies.push(...[signedIn.headers['set-cookie'] ?? []].flat());
    expect(cookies.length).toBeGreaterThan(1);
    for (const cookie of cookies) {
      expect(cookie).toMatch(/^__Host-sallyport-[a-z]+=[A-Za-z0-9_-]*; /);
      expect(cookie).toMatch(/; Path=\/; HttpOnly; Secure; SameSite=Lax$/);
    }
  });
});
