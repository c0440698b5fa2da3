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
      "admin     GET  /v1/accounts",
      "admin     GET  /v1/accounts/:account/identities",
      "admin     GET  /v1/ci-rules",
      "admin     GET  /v1/companions",
      "admin     GET  /v1/connections",
      "admin     GET  /v1/identity-providers",
      "admin     GET  /v1/inventory/access-rules",
      "admin     GET  /v1/inventory/apps",
      "admin     GET  /v1/inventory/apps/:app",
      "admin     GET  /v1/inventory/document",
      "admin     GET  /v1/inventory/environments",
      "admin     GET  /v1/inventory/environments/:environment",
      "admin     GET  /v1/inventory/gateways",
      "admin     GET  /v1/inventory/gateways/:gateway",
      "admin     GET  /v1/inventory/hosts",
      "admin     GET  /v1/inventory/hosts/:host",
      "admin     GET  /v1/inventory/instances",
      "admin     GET  /v1/inventory/instances/:instance",
      "admin     GET  /v1/inventory/organization",
      "admin     GET  /v1/inventory/projects",
      "admin     GET  /v1/inventory/projects/:project",
      "admin     GET  /v1/inventory/services",
      "admin     GET  /v1/inventory/services/:service",
      "admin     GET  /v1/organization/login-policy",
      "admin     GET  /v1/sessions",
      "admin     PATCH /v1/inventory/instances/:instance",
      "admin     POST /v1/accounts",
      "admin     POST /v1/accounts/:account/disable",
      "admin     POST /v1/accounts/:account/enable",
      "admin     POST /v1/accounts/:account/identities/link",
      "admin     POST /v1/accounts/:account/identities/unlink",
      "admin     POST /v1/accounts/:account/passkeys/reset",
      "admin     POST /v1/accounts/:account/sessions/revoke",
      "admin     POST /v1/ci-rules",
      "admin     POST /v1/ci-rules/:id/remove",
      "admin     POST /v1/identity-providers",
      "admin     POST /v1/identity-providers/:slug",
      "admin     POST /v1/identity-providers/:slug/remove",
      "admin     POST /v1/identity-providers/:slug/test",
      "admin     POST /v1/inventory/access-rules",
      "admin     POST /v1/inventory/access-rules/change",
      "admin     POST /v1/inventory/access-rules/remove",
      "admin     POST /v1/inventory/apply",
      "admin     POST /v1/inventory/apps",
      "admin     POST /v1/inventory/apps/:app",
      "admin     POST /v1/inventory/apps/:app/remove",
      "admin     POST /v1/inventory/environments",
      "admin     POST /v1/inventory/environments/:environment",
      "admin     POST /v1/inventory/environments/:environment/remove",
      "admin     POST /v1/inventory/gateways",
      "admin     POST /v1/inventory/gateways/:gateway",
      "admin     POST /v1/inventory/gateways/:gateway/remove",
      "admin     POST /v1/inventory/hosts",
      "admin     POST /v1/inventory/hosts/:host",
      "admin     POST /v1/inventory/hosts/:host/remove",
      "admin     POST /v1/inventory/instances",
      "admin     POST /v1/inventory/instances/:instance",
      "admin     POST /v1/inventory/instances/:instance/remove",
      "admin     POST /v1/inventory/organization",
      "admin     POST /v1/inventory/plan",
      "admin     POST /v1/inventory/projects",
      "admin     POST /v1/inventory/projects/:project",
      "admin     POST /v1/inventory/projects/:project/remove",
      "admin     POST /v1/inventory/services",
      "admin     POST /v1/inventory/services/:service",
      "admin     POST /v1/inventory/services/:service/remove",
      "admin     POST /v1/organization/login-policy",
      "admin     POST /v1/policy/test",
      "admin     POST /v1/sessions/:id/revoke",
      "admin     POST /v1/sessions/revoke-before",
      "admin     PUT  /v1/inventory/apps/:app/instances",
      "browser   GET  /console/accounts",
      "browser   GET  /console/accounts/:account",
      "browser   GET  /console/companions",
      "browser   GET  /console/connections",
      "browser   GET  /console/identities",
      "browser   GET  /console/security",
      "browser   GET  /console/security/passkeys/:id/remove",
      "browser   GET  /console/security/passkeys/add",
      "browser   GET  /console/sessions",
      "browser   GET  /console/sessions/:id",
      "browser   GET  /console/sessions/:id/end",
      "browser   GET  /console/sign-in-settings",
      "browser   GET  /console/sign-in-settings/policy",
      "browser   GET  /console/sign-in-settings/providers",
      "browser   GET  /console/sign-in-settings/providers/:slug",
      "browser   GET  /console/step-up",
      "browser   GET  /console/targets",
      "browser   GET  /console/targets/:target",
      "browser   GET  /console/tokens",
      "browser   GET  /console/tokens/:id/revoke",
      "browser   GET  /console/tokens/ci-rules/:id/remove",
      "browser   POST /console/accounts",
      "browser   POST /console/accounts/:account/disable",
      "browser   POST /console/accounts/:account/enable",
      "browser   POST /console/accounts/:account/end-sessions",
      "browser   POST /console/accounts/:account/reset-passkeys",
      "browser   POST /console/identities/link",
      "browser   POST /console/identities/unlink",
      "browser   POST /console/security/passkeys/:id/remove",
      "browser   POST /console/security/recovery-codes",
      "browser   POST /console/sessions/:id/end",
      "browser   POST /console/sessions/end-before",
      "browser   POST /console/sessions/end-others",
      "browser   POST /console/sign-in-settings/policy",
      "browser   POST /console/sign-in-settings/providers",
      "browser   POST /console/sign-in-settings/providers/:slug",
      "browser   POST /console/sign-in-settings/providers/:slug/remove",
      "browser   POST /console/sign-in-settings/providers/:slug/test",
      "browser   POST /console/sign-out",
      "browser   POST /console/tokens",
      "browser   POST /console/tokens/:id/revoke",
      "browser   POST /console/tokens/ci-rules",
      "browser   POST /console/tokens/ci-rules/:id/remove",
      "companion GET  /v1/companions/feed",
      "companion GET  /v1/companions/state",
      "companion POST /v1/companions/acknowledgement",
      "companion POST /v1/companions/connections",
      "companion POST /v1/companions/hop-certificates",
      "companion POST /v1/companions/instances",
      "companion POST /v1/companions/ssh-codes/verify",
      "none      GET  /",
      "none      GET  /console",
      "none      GET  /console/sign-in",
      "none      GET  /console/signed-out",
      "none      GET  /healthz",
      "none      GET  /login/callback",
      "none      GET  /login/callback/:provider",
      "none      GET  /login/choose/:handle",
      "none      GET  /login/choose/:handle/:provider",
      "none      GET  /login/continue/:handle",
      "none      GET  /login/front-channel-logout/:provider",
      "none      GET  /login/passkey/:handle",
      "none      GET  /login/recovery/:handle",
      "none      GET  /readyz",
      "none      GET  /ssh",
      "none      GET  /ssh/authority",
      "none      GET  /ssh/canaries",
      "none      GET  /ssh/info",
      "none      GET  /ssh/krl",
      "none      GET  /ssh/krl.sig",
      "none      GET  /v1/releases/sally",
      "none      GET  /v1/ssh/info",
      "none      POST /login/back-channel-logout/:provider",
      "none      POST /login/passkey",
      "none      POST /login/recovery",
      "none      POST /login/security-events/:provider",
      "none      POST /v1/companions/enrol",
      "none      POST /v1/companions/enrol-by-key",
      "none      POST /v1/companions/enrolment-nonces",
      "operator  GET  /v1/ca",
      "operator  POST /v1/ca/retire",
      "operator  POST /v1/ca/rotate",
      "person    GET  /v1/api-tokens",
      "person    GET  /v1/connections/own",
      "person    GET  /v1/explain",
      "person    GET  /v1/key-policy",
      "person    GET  /v1/leases",
      "person    GET  /v1/passkeys",
      "person    GET  /v1/services",
      "person    GET  /v1/session",
      "person    GET  /v1/sessions/own",
      "person    GET  /v1/ssh-configuration",
      "person    GET  /v1/ssh-keys",
      "person    GET  /v1/targets",
      "person    POST /v1/api-tokens",
      "person    POST /v1/api-tokens/:id/revoke",
      "person    POST /v1/certificates",
      "person    POST /v1/certificates/challenge",
      "person    POST /v1/leases",
      "person    POST /v1/leases/:id/end",
      "person    POST /v1/passkeys/:id/remove",
      "person    POST /v1/session/end",
      "person    POST /v1/sessions/own/:id/end",
      "person    POST /v1/sessions/own/end",
      "person    POST /v1/ssh-codes",
      "person    POST /v1/ssh-keys",
      "person    POST /v1/ssh-keys/:id/remove",
      "person    POST /v1/ssh-keys/remove-all",
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
