import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMachineAccount } from '../../src/accounts/create-machine-account.ts';
import { exchangeApiToken } from '../../src/credentials/exchange-token.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { startTestServer, type TestPerson, type TestServer } from '../http/test-server.ts';
import { createShop } from '../inventory/shop.ts';

let server: TestServer;
let adam: TestPerson;
let vera: TestPerson;
let olivia: TestPerson;
const own = { origin: 'https://ssh.example.com', 'sec-fetch-site': 'same-origin' };
beforeAll(async () => {
  server = await startTestServer();
  adam = await server.person('adam', 'admin');
  vera = await server.person('vera', 'viewer');
  const { organizationId } = server.shop;
  const machine = {
    organizationId,
    name: 'deploy@example.com',
    displayName: 'Deployments',
    by: adam.account,
  };
  await inTransaction(server.database.db, async (tx) => {
    await createMachineAccount(tx, machine, server.clock.now);
    const other = { organization: 'other', domain: 'other.example', project: 'blog', gateway: 'other-gate' };
    await createShop(tx, server.clock.now, other);
  });
  olivia = await server.person('olivia', 'admin', { organization: 'other', domain: 'other.example' });
});
afterAll(() => server.close());

const page = (as: TestPerson, url = '/console/tokens') =>
  server.call('GET', url, { cookie: as.cookie, headers: { accept: 'text/html' } });
const csrfToken = async (as: TestPerson) =>
  /name="csrf_token" value="([^"]+)"/.exec((await page(as)).body)?.[1] ?? '';

async function post(as: TestPerson, url: string, fields: Record<string, string> = {}, token?: string) {
  const csrf_token = token ?? (await csrfToken(as));
  return await server.call('POST', url, {
    cookie: as.cookie,
    body: new URLSearchParams({ csrf_token, ...fields }).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'text/html', ...own },
  });
}

const tokenFields = {
  name: 'backup',
  role_limit: 'contributor',
  days: '30',
  source_ranges: '192.0.2.0/24, 198.51.100.7',
};
const ruleFields = {
  name: 'deploy-web',
  system: 'github',
  issuer: '',
  audience: '',
  claims: 'repository = acme/web\nref = refs/heads/main\nref = refs/tags/v*\n',
  account: 'deploy@example.com',
  role_limit: 'contributor',
  minutes: '30',
};

describe('an API token in the console', () => {
  test('is made, shown once, listed by its beginning, and works', async () => {
    const made = await post(vera, '/console/tokens', tokenFields);
    expect([made.statusCode, made.headers['cache-control']]).toEqual([200, 'no-store']);
    const text = /<code id="token">(sallyport_[0-9A-Za-z]{49})<\/code>/.exec(made.body)?.[1] ?? '';
    const list = await page(vera);
    expect(list.body).toContain(text.slice(0, 14));
    expect(list.body).not.toContain(text.slice(14));
    expect(list.body).toContain('192.0.2.0/24, 198.51.100.7');
    const parts = { database: server.database, publicUrl: server.publicUrl, clock: () => server.clock.now };
    const asked = { token: text, address: '198.51.100.7', clientName: null, dpopJkt: 'a key' };
    expect((await exchangeApiToken(parts, asked)).accountId).toBe(vera.accountId);

    const id = /data-token="([^"]+)"/.exec(list.body)?.[1] ?? '';
    expect((await page(vera, `/console/tokens/${id}/revoke`)).body).toContain('Revoke this API token?');
    expect((await page(olivia, `/console/tokens/${id}/revoke`)).statusCode).toBe(404);
    expect((await post(olivia, `/console/tokens/${id}/revoke`)).statusCode).toBe(404);
    const revoked = await post(vera, `/console/tokens/${id}/revoke`);
    expect([revoked.statusCode, revoked.headers.location]).toEqual([303, '/console/tokens']);
    await expect(exchangeApiToken(parts, asked)).rejects.toMatchObject({ code: 'grant_invalid' });
    expect((await page(vera)).body).toContain('Revoked');
  });

  test('that is asked for wrongly is not made; what was typed is still there', async () => {
    const reply = await post(vera, '/console/tokens', {
      ...tokenFields,
      name: 'wrong',
      source_ranges: '0.0.0.0/0',
    });
    expect(reply.statusCode).toBe(400);
    expect(reply.body).toContain('role="alert"');
    expect(reply.body).toContain('value="0.0.0.0/0"');
    expect((await post(vera, '/console/tokens', { ...tokenFields, days: 'many' })).statusCode).toBe(400);
    expect((await post(vera, '/console/tokens', { ...tokenFields, days: '366' })).statusCode).toBe(400);
  });

  test('of a machine account is for admins', async () => {
    const fields = { ...tokenFields, account: 'deploy@example.com' };
    expect((await post(adam, '/console/tokens', fields)).statusCode).toBe(200);
    expect((await post(vera, '/console/tokens', fields)).statusCode).toBe(403);
    expect((await page(adam)).body).toContain('Machine account');
    expect((await page(vera)).body).not.toContain('Machine account');
  });

  test('is neither made nor revoked without the form’s token', async () => {
    for (const url of ['/console/tokens', '/console/tokens/00000000-0000-4000-8000-000000000000/revoke']) {
      const fields = url.endsWith('revoke') ? {} : { ...tokenFields, name: 'forged' };
      expect((await post(vera, url, fields, 'wrong')).statusCode).toBe(403);
    }
    expect((await page(vera)).body).not.toContain('forged');
  });
});

describe('a rule for CI in the console', () => {
  test('is made from lines of claims, listed, and removed', async () => {
    expect((await post(adam, '/console/tokens/ci-rules', ruleFields)).headers.location).toBe(
      '/console/tokens',
    );
    const rows = await server.database.db.selectFrom('ci_rules').selectAll().execute();
    expect(rows).toMatchObject([
      {
        name: 'deploy-web',
        issuer: 'https://token.actions.githubusercontent.com',
        audience: 'https://ssh.example.com',
        claims: { repository: ['acme/web'], ref: ['refs/heads/main', 'refs/tags/v*'] },
        lifetime_seconds: 1800,
      },
    ]);
    expect((await page(adam)).body).toContain('refs/heads/main or refs/tags/v*');
    const path = `/console/tokens/ci-rules/${rows[0]?.id}/remove`;
    expect((await page(adam, path)).body).toContain('Remove this rule?');
    expect((await page(olivia, path)).statusCode).toBe(404);
    expect((await post(olivia, path)).statusCode).toBe(404);
    expect((await post(adam, path)).statusCode).toBe(303);
    expect((await page(adam)).body).toContain('no CI gets in');
  });

  test.each([
    [{ claims: 'ref = refs/heads/main' }, 'would match anybody'],
    [{ claims: 'repository acme/web' }, 'must look like'],
    [{ account: 'vera@example.com' }, 'no machine account'],
    [{ system: 'forgejo' }, 'need an issuer'],
    [{ minutes: '1' }, 'lifetime_seconds'],
  ])('with %j is refused, and says why', async (change, words) => {
    const reply = await post(adam, '/console/tokens/ci-rules', { ...ruleFields, ...change });
    expect(reply.statusCode).toBeGreaterThanOrEqual(400);
    expect(reply.body).toContain(words);
    expect(reply.body).toContain('role="alert"');
  });

  test('is neither shown to nor made by others than admins', async () => {
    expect((await page(vera)).body).not.toContain('New rule for CI');
    expect((await post(vera, '/console/tokens/ci-rules', ruleFields)).statusCode).toBe(403);
  });
});

test('what people call things is text, not markup', async () => {
  const evil = '"><script>alert(1)</script>';
  for (const [url, fields] of [
    ['/console/tokens', { ...tokenFields, name: evil, source_ranges: evil }],
    ['/console/tokens/ci-rules', { ...ruleFields, name: evil, claims: `repository = ${evil}`, issuer: evil }],
  ] as const) {
    const reply = await post(adam, url, fields);
    expect(reply.statusCode).toBe(400);
    expect(reply.body).not.toContain('<script>alert');
  }
});
