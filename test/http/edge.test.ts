/** What holds for every request, whatever the route. */
import { request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseStrictJson } from '../../src/http/strict-json.ts';
import { assets } from '../../src/pages/assets.ts';
import { startTestServer, type TestPerson, type TestServer } from './test-server.ts';

let server: TestServer;
let alice: TestPerson;
beforeAll(async () => {
  server = await startTestServer();
  await server.app.listen({ host: '127.0.0.1', port: 0 });
  alice = await server.person('admin', 'admin');
});
afterAll(() => server.close());

const withIds = (path: string) => path.replace(/:[a-z_]+/gi, server.shop.accountId);
const problem = (reply: { json(): { code: string }; statusCode: number }) => [
  reply.statusCode,
  reply.json().code,
];

describe('host names', () => {
  const wrong = ['evil.example', 'ssh.example.com.evil.example', 'ssh.example.com:8420', '127.0.0.1', ''];
  test.each(wrong)('a request for %j is refused', async (host) => {
    const reply = await server.call('GET', '/healthz', { headers: { host } });
    expect(problem(reply)).toEqual([421, 'host_not_allowed']);
  });

  test('case does not matter', async () => {
    const reply = await server.call('GET', '/healthz', { headers: { host: 'SSH.example.com' } });
    expect(reply.statusCode).toBe(200);
  });

  test('[abuse 99] no route answers under another name or to a whole URL, and no forwarded name gets into a link', async () => {
    for (const { method, path } of server.app.routeList) {
      for (const host of wrong) {
        const reply = await server.call(method as 'GET', path, { headers: { host } });
        // Those that machines call have errors of their own form.
        const refused = reply.statusCode === 421 || path.startsWith('/login/') ? 'refused' : reply.statusCode;
        expect([path, host, refused]).toEqual([path, host, 'refused']);
        expect([path, reply.statusCode >= 400]).toEqual([path, true]);
      }
      for (const url of [`http://evil.example${path}`, `https://ssh.example.com${path}`]) {
        const reply = await raw(method, url);
        expect([path, [421, 400].includes(reply.status)]).toEqual([path, true]);
      }
    }
    const forwarded = {
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'http',
      'x-forwarded-port': '666',
      'x-forwarded-prefix': '//evil.example',
      'x-original-url': '//evil.example',
      'x-rewrite-url': '//evil.example',
      'x-host': 'evil.example',
      forwarded: 'host=evil.example;proto=http',
      referer: 'https://evil.example/',
    };
    for (const { method, path } of server.app.routeList.filter((route) => route.method === 'GET')) {
      if (path === '/v1/companions/feed') continue;
      const { headers, body } = await server.call(method as 'GET', path, {
        headers: { accept: 'text/html', ...forwarded, cookie: alice.cookie },
      });
      expect(path + JSON.stringify(headers) + body).not.toMatch(/evil\.example|:666|http:\/\/ssh/);
    }
    await server.call('GET', '/v1/session', { as: alice, headers: forwarded });
    expect(server.presented.at(-1)?.url).toBe('https://ssh.example.com/v1/session');
  });
});

/** With a request line of its own, which inject() would put right. */
async function raw(method: string, target: string): Promise<{ status: number; body: string }> {
  const { port } = server.app.server.address() as AddressInfo;
  return await new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, method, path: target, headers: { host: 'ssh.example.com' } };
    httpRequest(options, (reply) => {
      text(reply).then((body) => resolve({ status: reply.statusCode ?? 0, body }), reject);
    })
      .on('error', reject)
      .end();
  });
}

test.each([
  ['not believed without a trusted proxy', undefined, '127.0.0.1'],
  ['not believed from a machine that is no trusted proxy', ['192.0.2.0/24'], '127.0.0.1'],
  ['believed for the hop before the trusted proxy only', ['127.0.0.1'], '198.51.100.7'],
])('a forwarded address is %s', async (_what, trustedProxies, expected) => {
  const behind = await startTestServer(trustedProxies ? { trustedProxies } : {});
  const reply = await behind.call('GET', '/test/sign-in?name=forwarded', {
    headers: {
      'x-forwarded-for': '203.0.113.9, 198.51.100.7',
      x_forwarded_for: '203.0.113.9',
      'x-real-ip': '203.0.113.9',
      forwarded: 'for=203.0.113.9',
    },
  });
  expect(reply.statusCode).toBe(303);
  const row = await behind.database.db
    .selectFrom('login_sessions')
    .select('client_address')
    .where('kind', '=', 'browser')
    .executeTakeFirstOrThrow();
  await behind.close();
  expect(row.client_address).toBe(expected);
});

test('the proof is checked against our public URL without the query', async () => {
  await server.call('GET', '/v1/explain?target=shop-production--web', { as: alice });
  expect(server.presented.at(-1)).toMatchObject({
    method: 'GET',
    dpop: 'proof',
    url: 'https://ssh.example.com/v1/explain',
  });
});

describe('bodies', () => {
  /** The routes of the API, each with somebody who may call it. */
  async function jsonRoutes() {
    const olga = await server.person('olga', 'contributor');
    const credential = await server.enrol();
    const callers = {
      person: { as: alice },
      admin: { as: alice },
      operator: { as: olga },
      companion: { credential },
    };
    return server.app.routeList.flatMap(({ method, path, auth }) => {
      const as = auth === 'none' ? {} : callers[auth as keyof typeof callers];
      return path.startsWith('/v1/') && as !== undefined ? [{ method, path: withIds(path), as }] : [];
    });
  }
  /** All for the first route; of every other one a quarter, so that each kind comes to a quarter of the routes. */
  function inTurn<Kind>(kinds: readonly Kind[], route: number): Kind[] {
    return kinds.filter((_, index) => route === 0 || (index + route) % 4 === 0);
  }
  const send = (body: string | Buffer, type = 'application/json') =>
    server.call('POST', '/v1/companions/enrol', { body: body as string, headers: { 'content-type': type } });

  const unreadable: [string, string][] = [
    ['no JSON', '{"token": '],
    ['nothing', ''],
    ['a name twice', '{"token": "a", "token": "b"}'],
    ['a name twice, once escaped', '{"token": "a", "t\\u006fken": "b"}'],
    ['a name twice, deeper', '{"a": [{"b": 1, "b": 2}]}'],
    ['__proto__', '{"__proto__": {"token": "a"}}'],
    ['__proto__, escaped', '{"\\u005f_proto__": 1}'],
    ['a tower of brackets', `${'['.repeat(10_000)}${']'.repeat(10_000)}`],
    ['an open tower of brackets', '{"a":'.repeat(10_000)],
    ['a lone surrogate', '{"token": "\\ud800"}'],
    ['a lone surrogate in a name', '{"\\udc00": 1}'],
    ['a byte order mark', '\ufeff{}'],
    ['a number beyond 2^53', '{"n": 9007199254740993}'],
    ['a number below -2^53', '{"n": [-9007199254740992]}'],
    ['a number too large to be one', '{"n": 1e999}'],
    ['a large number with a fraction', '{"n": 9007199254740992.5}'],
  ];
  test.each([...unreadable, ['an unknown member', '{"token": "a", "extra": 1}'], ['the wrong type', '[1]']])(
    'with %s are refused',
    async (_what, body) => {
      expect(problem(await send(body))).toEqual([400, 'request_malformed']);
    },
  );

  test('[abuse 101] JSON that readers could take differently is refused by every route that takes JSON', async () => {
    const routes = (await jsonRoutes()).filter(({ method }) => method !== 'GET');
    expect(routes.length).toBeGreaterThan(8);
    const tooLarge = `"${'x'.repeat(10 << 20)}"`;
    const bodies = unreadable.filter(([, body]) => body !== '');
    for (const [index, { method, path, as }] of routes.entries()) {
      for (const [what, body] of inTurn(bodies, index)) {
        const reply = await server.call(method as 'POST', path, { ...as, body });
        expect([path, what, ...problem(reply)]).toEqual([path, what, 400, 'request_malformed']);
        expect(reply.json().detail).toMatch(/^The body /);
      }
      const large = await server.call(method as 'POST', path, { ...as, body: tooLarge });
      expect([path, ...problem(large)]).toEqual([path, 413, 'request_too_large']);
    }
  });

  test('numbers that a double holds are read', () => {
    for (const text of [
      '{"n": 9007199254740991, "m": [-0.1, 1e3, -9007199254740991]}',
      '{"9": "9007199254740993"}',
    ]) {
      expect(parseStrictJson(Buffer.from(text))).toEqual(JSON.parse(text));
    }
  });

  test('that are not UTF-8 are refused', async () => {
    const reply = await server.app.inject({
      method: 'POST',
      url: '/v1/companions/enrol',
      headers: { host: server.publicUrl.host, 'content-type': 'application/json' },
      payload: Buffer.from([0x22, 0xff, 0x22]),
    });
    expect(problem(reply)).toEqual([400, 'request_malformed']);
    expect(reply.json().detail).toContain('UTF-8');
  });

  test('of more than 64 KiB are refused', async () => {
    expect(problem(await send(JSON.stringify({ token: 'x'.repeat(64 * 1024) })))).toEqual([
      413,
      'request_too_large',
    ]);
  });

  test('[abuse 100] a body that is not plainly JSON is not read as JSON, by any route', async () => {
    const types = [
      '',
      'text/plain',
      'text/json',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/jsonp',
      'application/json-patch+json',
      'application/vnd.api+json',
      'application/json; charset=utf-7',
      'application/json; charset=utf-16',
      'application/json; charset="iso-8859-1"',
      'application/json, text/plain',
      'text/plain, application/json',
      'text/plain; application/json',
      'text/plain;charset=utf-8;x=application/json',
      'application/xml',
      '*/*',
    ];
    const routes = (await jsonRoutes()).filter(({ method }) => method !== 'GET');
    for (const [index, { method, path, as }] of routes.entries()) {
      for (const type of inTurn(types, index)) {
        const reply = await server.call(method as 'POST', path, {
          ...as,
          body: '{}',
          headers: { 'content-type': type },
        });
        expect([path, type, ...problem(reply)]).toEqual([path, type, 400, 'request_malformed']);
        expect(reply.json().detail).toMatch(
          /^(Send the body as application\/json|JSON is UTF-8|The request could)/,
        );
      }
    }
    // What a browser takes a reply for is said, and not to be guessed.
    const { headers } = await server.call('GET', '/v1/nothing<script>alert(1)</script>');
    expect(headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(headers['x-content-type-options']).toBe('nosniff');
  });

  test('where none belongs are refused', async () => {
    const reply = await server.call('POST', '/v1/certificates/challenge', { as: alice, body: { extra: 1 } });
    expect(problem(reply)).toEqual([400, 'request_malformed']);
  });

  test('are not read before the caller is known', async () => {
    const reply = await server.call('POST', '/v1/certificates', { body: '{' });
    expect(problem(reply)).toEqual([401, 'token_missing']);
  });
});

test('a query with unknown or repeated members is refused', async () => {
  for (const query of [
    '?target=shop-production--web&x=1',
    '?target=a-b--c&target=a-b--d',
    '?target=..',
    '',
  ]) {
    expect(problem(await server.call('GET', `/v1/explain${query}`, { as: alice }))).toEqual([
      400,
      'request_malformed',
    ]);
  }
});

describe('addresses', () => {
  test('that do not exist are not found', async () => {
    expect(problem(await server.call('GET', '/v1/nothing'))).toEqual([404, 'not_found']);
    expect(problem(await server.call('GET', '//healthz'))).toEqual([404, 'not_found']);
    expect(problem(await server.call('GET', '/healthz/'))).toEqual([404, 'not_found']);
  });

  test('say which methods they answer to', async () => {
    const reply = await server.call('PUT', '/v1/certificates');
    expect(problem(reply)).toEqual([405, 'method_not_allowed']);
    expect(reply.headers.allow).toBe('POST');
  });

  test('with broken escapes are refused', async () => {
    expect((await server.call('GET', '/v1/sessions/%E0%A4%A/revoke')).statusCode).toBeGreaterThanOrEqual(400);
    expect((await server.call('GET', '/v1/sessions/%E0%A4%A/revoke')).statusCode).toBeLessThan(500);
  });
});

describe('headers', () => {
  test.each([
    '/healthz',
    '/v1/nothing',
    '/v1/session',
    '/console/signed-out',
    '/oauth/x',
    '/console/sessions',
  ])('of %s keep it from frames, sniffing and caches', async (path) => {
    const { headers } = await server.call('GET', path);
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['cache-control']).toBe('no-store');
    expect(headers['strict-transport-security']).toBe('max-age=31536000');
    expect(headers['referrer-policy']).toMatch(/^(no-referrer|same-origin)$/);
    expect(headers['access-control-allow-origin']).toBeUndefined();
  });

  test('of the pages’ files let browsers keep them', async () => {
    for (const { path, contentType, text: content } of assets) {
      const reply = await server.call('GET', path);
      expect(reply.headers['cache-control']).toContain('immutable');
      expect(reply.headers['content-type']).toBe(contentType);
      expect(reply.body).toBe(content);
    }
  });

  test('of a refusal name the scheme', async () => {
    for (const path of ['/v1/session', '/v1/ca']) {
      const missing = await server.call('GET', path);
      expect(missing.headers['www-authenticate']).toBe('DPoP algs="ES256 EdDSA Ed25519"');
    }
    const wrong = await server.call('GET', '/v1/session', { headers: { authorization: 'Bearer x' } });
    expect(wrong.headers['www-authenticate']).toMatch(/^DPoP error="invalid_token", error_description="/);
    const companion = await server.call('GET', '/v1/companions/state');
    expect(companion.headers['www-authenticate']).toBe('Bearer');
  });
});

test('a problem is a problem document and names its request', async () => {
  const reply = await server.call('GET', '/v1/session');
  expect(reply.headers['content-type']).toMatch(/^application\/problem\+json(;|$)/);
  expect(reply.json()).toEqual({
    type: 'urn:sallyport:error:token_missing',
    title: 'Not signed in',
    status: 401,
    code: 'token_missing',
    detail: 'This needs a login. Run: sally login',
    request_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
});

test('a browser gets its problem as a page', async () => {
  const reply = await server.call('GET', '/nothing<script>', { headers: { accept: 'text/html,*/*' } });
  expect(reply.statusCode).toBe(404);
  expect(reply.headers['content-type']).toBe('text/html; charset=utf-8');
  expect(reply.body).toContain('There is nothing at this address.');
  expect(reply.body).not.toContain('<script>');
});

test('an unknown error says nothing but its request, and the log has its stack', async () => {
  const broken = await startTestServer();
  await broken.database.db.schema.dropTable('state_version').execute();
  const credential = 'x'.repeat(40);
  await broken.database.db.schema.dropTable('companion_environments').execute();
  await broken.database.db.schema.alterTable('companions').renameTo('machines').execute();
  const reply = await broken.call('GET', '/v1/companions/state', { credential });
  expect(reply.statusCode).toBe(500);
  expect(reply.json().detail).toMatch(/^Something went wrong on the server. Quote request /);
  expect(reply.body).not.toContain('companions');
  const line = broken.log.find(({ msg }) => msg === 'failed');
  expect(line?.['stack']).toContain('companions');
  expect(JSON.stringify(broken.log)).not.toContain(credential);
  const ready = await broken.call('GET', '/readyz');
  expect(problem(ready)).toEqual([503, 'unavailable']);
  expect((await broken.call('GET', '/healthz')).json()).toEqual({ status: 'ok', version: '0.0.0-test' });
  await broken.close();
});

test('ready means that the database answers', async () => {
  expect((await server.call('GET', '/readyz')).json()).toEqual({ status: 'ready' });
});

test('the log holds no secret, no query and no body', async () => {
  server.log.length = 0;
  const secrets = { authorization: 'DPoP secret-1', dpop: 'secret-2', cookie: 'sallyport-session=secret-3' };
  await server.call('GET', '/v1/explain?target=secret-4', { headers: secrets });
  await server.call('POST', '/v1/companions/enrol', { body: { token: 'secret-5', extra: 'secret-6' } });
  await server.call('GET', '/oauth/callback?code=secret-7');
  expect(server.log.filter(({ msg }) => msg === 'request')).toHaveLength(3);
  expect(JSON.stringify(server.log)).not.toContain('secret-');
  server.app.log.info(
    { authorization: 'secret-8', inner: { cookie: 'secret-9', deeper: { dpop: 'secret-10' } } },
    'x',
  );
  expect(JSON.stringify(server.log)).not.toContain('secret-');
});

test('of an error the log has what happened and where, and nothing that a library hung onto it', async () => {
  server.log.length = 0;
  const cause = Object.assign(new Error('inner'), { body: 'secret-1' });
  const error = new Error('duplicate key', { cause });
  Object.assign(error, { code: '23505', detail: 'Failing row contains (secret-2).', params: ['secret-3'] });
  server.app.log.error({ err: error }, 'x');
  expect(server.log).toMatchObject([
    { err: { message: 'duplicate key', code: '23505', stack: expect.stringContaining('edge.test') } },
  ]);
  expect(JSON.stringify(server.log)).not.toContain('secret-');
});

test('what a client says of itself stays one line of JSON in the log and printable in the list [abuse 143]', async () => {
  const agent = 'nice\u001b[31m\\n{"level":30}';
  await server.call('GET', '/test/sign-in?name=forger', { headers: { 'user-agent': agent } });
  const row = await server.database.db
    .selectFrom('login_sessions')
    .innerJoin('accounts', 'accounts.id', 'login_sessions.account_id')
    .select('client_name')
    .where('accounts.name', '=', 'forger@example.com')
    .executeTakeFirstOrThrow();
  expect(row.client_name).toBe('nice?[31m\\n{"level":30}');
});

test('the authorization server reads its own body and keeps our headers', async () => {
  const reply = await server.call('POST', '/oauth/token?x=1', {
    body: 'grant_type=x',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  expect(reply.body).toBe('/oauth/token?x=1 grant_type=x');
  expect(reply.headers['x-content-type-options']).toBe('nosniff');
});

test('two Host headers are refused', async () => {
  const { port } = server.app.server.address() as AddressInfo;
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const request = httpRequest(
      {
        host: '127.0.0.1',
        port,
        path: '/healthz',
        setHost: false,
        headers: ['Host', 'ssh.example.com', 'Host', 'evil.example'],
      },
      (reply) => text(reply).then(() => resolve(reply.statusCode), reject),
    );
    request.on('error', reject).end();
  });
  expect([400, 421]).toContain(status);
});
