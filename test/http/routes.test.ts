import fastify from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { listRoutes } from '../../src/http/route-authentication.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

test('every route and who may call it', () => {
  const listed = server.app.routeList
    .filter(({ path }) => !path.startsWith('/test/') && !path.startsWith('/assets/') && path !== '/oauth/*')
    .map(({ method, path, auth }) => `${auth.padEnd(9)} ${method.padEnd(4)} ${path}`)
    .sort();
  expect(listed).toMatchInlineSnapshot(`
    [
      "admin     GET  /v1/sessions",
      "admin     POST /v1/sessions/:id/revoke",
      "browser   GET  /console/companions",
      "browser   GET  /console/sessions",
      "browser   GET  /console/sessions/:id",
      "browser   GET  /console/sessions/:id/end",
      "browser   POST /console/sessions/:id/end",
      "browser   POST /console/sign-out",
      "companion GET  /v1/companions/feed",
      "companion GET  /v1/companions/state",
      "companion POST /v1/companions/acknowledgement",
      "companion POST /v1/companions/connections",
      "companion POST /v1/companions/hop-certificates",
      "none      GET  /",
      "none      GET  /console",
      "none      GET  /console/sign-in",
      "none      GET  /console/signed-out",
      "none      GET  /healthz",
      "none      GET  /readyz",
      "none      GET  /ssh/authority",
      "none      POST /v1/companions/enrol",
      "operator  GET  /v1/ca",
      "operator  POST /v1/ca/retire",
      "operator  POST /v1/ca/rotate",
      "person    GET  /v1/explain",
      "person    GET  /v1/session",
      "person    GET  /v1/ssh-configuration",
      "person    POST /v1/certificates",
      "person    POST /v1/certificates/challenge",
      "person    POST /v1/session/end",
    ]
  `);
});

test.each([
  ['without a config', undefined],
  ['without authentication', { purpose: 'something' }],
  ['with an unknown authentication', { auth: 'anyone', purpose: 'something' }],
  ['without a purpose', { auth: 'none', purpose: '' }],
])('a route %s does not register', (_what, config) => {
  const app = fastify();
  listRoutes(app);
  const options = { method: 'GET', url: '/x', handler: async () => '', ...(config ? { config } : {}) };
  expect(() => app.route(options as never)).toThrow('does not say who may call it');
});

const closed = [
  ['person', 'token_missing'],
  ['admin', 'token_missing'],
  ['operator', 'token_missing'],
  ['companion', 'token_missing'],
] as const;
test.each(closed)('no %s route answers without credentials', async (auth, code) => {
  const routes = server.app.routeList.filter((route) => route.auth === auth);
  expect(routes.length).toBeGreaterThan(0);
  for (const { method, path } of routes) {
    const reply = await server.call(method as 'GET', path.replace(':id', server.shop.accountId));
    expect([path, reply.statusCode, reply.json().code]).toEqual([path, 401, code]);
  }
});

test('no browser route answers without a session', async () => {
  const routes = server.app.routeList.filter((route) => route.auth === 'browser');
  expect(routes.length).toBeGreaterThan(0);
  for (const { method, path } of routes) {
    const reply = await server.call(method as 'GET', path.replace(':id', server.shop.accountId), {
      headers: { origin: server.publicUrl.origin },
    });
    expect([path, reply.statusCode]).toEqual([path, method === 'GET' ? 303 : 401]);
    if (method === 'GET') expect(reply.headers.location).toMatch(/^\/console\/sign-in\?return_to=%2F/);
  }
});
