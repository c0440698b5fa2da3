/** API tokens and CI rules over HTTP, and what their sessions may call. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMachineAccount } from '../../src/accounts/create-machine-account.ts';
import { apiTokenList, credentialRevocation, newApiToken } from '../../src/api/api-tokens.ts';
import { ciRuleDocument, ciRuleList } from '../../src/api/ci-rules.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createShop } from '../inventory/shop.ts';
import { startedSession } from '../sessions/login.ts';
import { startTestServer, type TestPerson, type TestServer } from './test-server.ts';

let server: TestServer;
let adam: TestPerson;
let vera: TestPerson;
let olivia: TestPerson;
beforeAll(async () => {
  server = await startTestServer();
  adam = await server.person('adam', 'admin');
  vera = await server.person('vera', 'viewer');
  await inTransaction(server.database.db, (tx) =>
    createMachineAccount(
      tx,
      {
        organizationId: server.shop.organizationId,
        name: 'deploy@example.com',
        displayName: 'Deployments',
        by: 'adam@example.com',
      },
      server.clock.now,
    ),
  );
  await inTransaction(server.database.db, (tx) =>
    createShop(tx, server.clock.now, {
      organization: 'other',
      domain: 'other.example',
      project: 'blog',
      gateway: 'other-gate',
    }),
  );
  olivia = await server.person('olivia', 'admin', { organization: 'other', domain: 'other.example' });
});
afterAll(() => server.close());

let made = 0;
async function token(as: TestPerson, change: Record<string, unknown> = {}) {
  made += 1;
  const body = { name: `token ${made}`, role_limit: 'contributor', ...change };
  return await server.call('POST', '/v1/api-tokens', { as, body });
}

/** Somebody's session of an API token or of CI. */
async function machine(
  person: TestPerson,
  kind: 'token' | 'ci',
  roleLimit: 'viewer' | 'contributor' | 'admin',
) {
  const sessionId = await inTransaction(server.database.db, (tx) =>
    startedSession(tx, person.accountId, server.clock.now, {
      kind,
      roleLimit,
      mfa: false,
      mfaBy: null,
      amr: [],
    }),
  );
  return { ...person, sessionId };
}

describe('an API token', () => {
  test('is shown once, when it is made', async () => {
    const reply = await token(vera, { name: 'backup', source_ranges: ['192.0.2.0/24'] });
    expect(reply.statusCode).toBe(201);
    expect(reply.headers['cache-control']).toContain('no-store');
    const { token: text, api_token } = newApiToken.parse(reply.json());
    expect(text).toMatch(/^sallyport_[0-9A-Za-z]{49}$/);
    expect(api_token).toMatchObject({
      name: 'backup',
      account: vera.account,
      hint: text.slice(0, 14),
      source_ranges: ['192.0.2.0/24'],
      created_by: vera.account,
      last_used_at: null,
    });
    // Ninety days, where nobody says otherwise.
    expect(api_token.expires_at - api_token.created_at).toBe(90 * 86_400);
    const list = await server.call('GET', '/v1/api-tokens', { as: vera });
    expect(apiTokenList.parse(list.json()).api_tokens).toContainEqual(api_token);
    expect(list.body).not.toContain(text.slice(-20));
    expect(JSON.stringify(server.log)).not.toContain(text.slice(-20));
  });

  test.each([
    [{ expires_in_seconds: 366 * 86_400 }],
    [{ expires_in_seconds: 0 }],
    [{ role_limit: 'owner' }],
    [{ name: '' }],
    [{ name: 'a\nb' }],
    [{ name: 'x'.repeat(65) }],
    [{ source_ranges: ['0.0.0.0/0'] }],
    [{ token: 'sallyport_mine' }],
  ])('is not made with %j', async (change) => {
    expect((await token(vera, change)).statusCode).toBe(400);
  });

  test('of a machine account is made by admins only, and never for another organization', async () => {
    expect((await token(adam, { account: 'deploy@example.com' })).statusCode).toBe(201);
    expect((await token(vera, { account: 'deploy@example.com' })).statusCode).toBe(403);
    expect((await token(olivia, { account: 'deploy@example.com' })).statusCode).toBe(404);
    expect((await token(adam, { account: vera.account })).statusCode).toBe(404);
  });

  test('is listed to its owner and to admins of the organization', async () => {
    const { api_token } = newApiToken.parse((await token(vera)).json());
    const seenBy = async (as: TestPerson) =>
      apiTokenList.parse((await server.call('GET', '/v1/api-tokens', { as })).json()).api_tokens;
    expect((await seenBy(adam)).map(({ id }) => id)).toContain(api_token.id);
    expect((await seenBy(vera)).map(({ id }) => id)).toContain(api_token.id);
    expect(new Set((await seenBy(vera)).map(({ account }) => account))).toEqual(new Set([vera.account]));
    expect(await seenBy(olivia)).toEqual([]);
  });

  test('is revoked by its owner and by admins of the organization; to others it is as unknown as one that never was', async () => {
    const revoke = (as: TestPerson, id: string) => server.call('POST', `/v1/api-tokens/${id}/revoke`, { as });
    const { api_token: adams } = newApiToken.parse((await token(adam)).json());
    const { api_token: veras } = newApiToken.parse((await token(vera)).json());
    const unknown = await revoke(vera, '00000000-0000-4000-8000-000000000000');
    const foreign = await revoke(olivia, veras.id);
    const others = await revoke(vera, adams.id);
    const shape = ({ statusCode, json }: typeof unknown) => ({ statusCode, ...json(), request_id: '' });
    expect(shape(foreign)).toEqual(shape(unknown));
    expect(shape(others)).toEqual(shape(unknown));
    expect(credentialRevocation.parse((await revoke(adam, veras.id)).json())).toEqual({
      id: veras.id,
      sessions_ended: 0,
      version: null,
    });
    expect((await revoke(adam, adams.id)).statusCode).toBe(200);
  });

  test('wants a second factor of its maker where the organization requires one', async () => {
    const require = (mfa_required: boolean) =>
      server.database.db
        .updateTable('organizations')
        .set({ mfa_required })
        .where('slug', '=', 'acme')
        .execute();
    await require(true);
    const old = new Date(server.clock.now.getTime() - 3_600_000);
    const sessionId = await inTransaction(server.database.db, (tx) =>
      startedSession(tx, vera.accountId, server.clock.now, { authTime: old }),
    );
    const reply = await token({ ...vera, sessionId });
    await require(false);
    expect(reply.statusCode).toBe(401);
    expect(reply.headers['www-authenticate']).toContain('error="insufficient_user_authentication"');
    expect(reply.headers['www-authenticate']).toContain('acr_values="mfa"');
  });
});

describe('a CI rule', () => {
  const rule = {
    name: 'deploy-web',
    system: 'github',
    claims: { repository: ['acme/web'] },
    account: 'deploy@example.com',
    role_limit: 'contributor',
  };
  const make = (as: TestPerson, change: Record<string, unknown> = {}) =>
    server.call('POST', '/v1/ci-rules', { as, body: { ...rule, ...change } });

  test('has the issuer of its system and this server as its audience, unless it names others', async () => {
    const reply = await make(adam);
    expect(reply.statusCode).toBe(201);
    const made = ciRuleDocument.parse(reply.json());
    expect(made).toMatchObject({
      issuer: 'https://token.actions.githubusercontent.com',
      audience: 'https://ssh.example.com',
      lifetime_seconds: 3600,
      created_by: adam.account,
    });
    const list = await server.call('GET', '/v1/ci-rules', { as: adam });
    expect(ciRuleList.parse(list.json()).ci_rules).toEqual([made]);
    expect(
      ciRuleList.parse((await server.call('GET', '/v1/ci-rules', { as: olivia })).json()).ci_rules,
    ).toEqual([]);
    expect((await server.call('POST', `/v1/ci-rules/${made.id}/remove`, { as: olivia })).statusCode).toBe(
      404,
    );
    expect((await server.call('POST', `/v1/ci-rules/${made.id}/remove`, { as: adam })).statusCode).toBe(200);
    expect((await server.call('POST', `/v1/ci-rules/${made.id}/remove`, { as: adam })).statusCode).toBe(404);
  });

  test('that would match anybody is refused with the reason', async () => {
    const reply = await make(adam, { claims: { ref: ['refs/heads/main'] } });
    expect(reply.statusCode).toBe(400);
    expect(reply.json().detail).toContain('would match anybody');
  });

  test.each([
    [{ system: 'forgejo' }, 400],
    [{ issuer: 'http://127.0.0.1:1/_services/token' }, 400],
    [{ account: 'vera@example.com' }, 404],
    [{ account: 'nobody@example.com' }, 404],
    [{ claims: {} }, 400],
    [{ claims: { __proto__x: [] } }, 400],
    [{ lifetime_seconds: 86_401 }, 400],
    [{ name: 'With Spaces' }, 400],
  ])('with %j is refused: %i', async (change, status) => {
    expect((await make(adam, change)).statusCode).toBe(status);
  });

  test('is made by admins only', async () => {
    expect((await make(vera)).statusCode).toBe(403);
    expect((await server.call('GET', '/v1/ci-rules', { as: vera })).statusCode).toBe(403);
  });
});

describe('a session of an API token or a CI job', () => {
  test.each(['token', 'ci'] as const)('of mode %s may do what SSH needs', async (kind) => {
    const as = await machine(vera, kind, 'viewer');
    for (const [method, url] of [
      ['GET', '/v1/session'],
      ['GET', '/v1/ssh-configuration'],
      ['GET', '/v1/targets'],
      ['GET', '/v1/services?target=shop-production--web'],
      ['GET', '/v1/explain?target=shop-production--web'],
      ['GET', '/v1/leases'],
      ['POST', '/v1/certificates/challenge'],
    ] as const) {
      expect((await server.call(method, url, { as })).statusCode, url).toBe(200);
    }
    expect((await server.call('POST', '/v1/session/end', { as })).statusCode).toBe(204);
  });

  test('may do nothing that a person has to do, were it an admin’s', async () => {
    const as = await machine(adam, 'token', 'admin');
    const asked = { as, body: {} };
    const closed = server.app.routeList.filter(
      ({ auth, path }) =>
        auth === 'person' &&
        !/^\/v1\/(session|certificates|explain|ssh-configuration|targets|services|leases)(\/|$)/.test(path),
    );
    expect(closed.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['/v1/api-tokens', '/v1/ssh-codes', '/v1/passkeys', '/v1/sessions/own']),
    );
    for (const { method, path } of closed) {
      const url = path.replace(':id', '00000000-0000-4000-8000-000000000000');
      const reply = await server.call(method as 'GET' | 'POST', url, method === 'GET' ? { as } : asked);
      expect([path, reply.statusCode, reply.json().code]).toEqual([path, 403, 'forbidden']);
    }
    expect((await server.call('POST', '/v1/ci-rules', asked)).statusCode).toBe(403);
    expect((await server.call('POST', '/v1/organization/login-policy', asked)).statusCode).toBe(403);
  });

  test('has the lower of its account’s role and its own limit', async () => {
    const admin = await machine(adam, 'token', 'admin');
    const limited = await machine(adam, 'token', 'contributor');
    const session = async (as: TestPerson) => (await server.call('GET', '/v1/session', { as })).json().role;
    expect([await session(admin), await session(limited)]).toEqual(['admin', 'contributor']);
    expect((await server.call('GET', '/v1/sessions', { as: admin })).statusCode).toBe(200);
    expect((await server.call('GET', '/v1/sessions', { as: limited })).statusCode).toBe(403);
    const about = '/v1/explain?target=shop-production--web&account=vera@example.com';
    expect((await server.call('GET', about, { as: admin })).statusCode).toBe(200);
    expect((await server.call('GET', about, { as: limited })).statusCode).toBe(403);
  });

  test('does not gain what its account does not have', async () => {
    const as = await machine(vera, 'token', 'admin');
    expect((await server.call('GET', '/v1/session', { as })).json().role).toBe('viewer');
    expect((await server.call('GET', '/v1/sessions', { as })).statusCode).toBe(403);
  });
});
