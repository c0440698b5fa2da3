/** What no route may do, tried on each that there is. A new one is tried without anybody having to think of it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { csrfTokenFor } from '../../src/http/session-cookie.ts';
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

/** Everything that a request could have changed. */
async function everything(): Promise<string> {
  const tables = await server.database.db.introspection.getTables();
  const rows = tables
    .filter(({ name }) => !name.startsWith('kysely_'))
    .map(async ({ name }) => [
      name,
      await server.database.db
        .selectFrom(name as never)
        .selectAll()
        .execute(),
    ]);
  return JSON.stringify(await Promise.all(rows), (_key, value) =>
    typeof value === 'bigint' ? `${value}` : value,
  );
}

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
    const before = await everything();
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
    expect(await everything()).toBe(before);
  });
});
