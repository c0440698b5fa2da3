import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { storedProvider } from '../../src/login/provider-store.ts';
import { startTestServer, type TestPerson, type TestServer } from '../http/test-server.ts';

let server: TestServer;
let admin: TestPerson;
let bob: TestPerson;
beforeAll(async () => {
  server = await startTestServer();
  admin = await server.person('admin', 'admin');
  bob = await server.person('bob', 'contributor');
});
afterAll(() => server.close());

const settingsPath = '/console/sign-in-settings';
const page = (url: string, as = admin) =>
  server.call('GET', url, { cookie: as.cookie, headers: { accept: 'text/html' } });
const unescaped = (text: string) =>
  text.replace(/&#([0-9]+);/g, (_, number) => String.fromCharCode(Number(number)));
/** The fields of the first form that is sent to `action`, as a browser would send them. */
function fieldsIn(body: string, action: string): Record<string, string> {
  const [, form = ''] = new RegExp(`<form[^>]*action="${action}"[^>]*>([\\s\\S]*?)</form>`).exec(body) ?? [];
  const fields: Record<string, string> = {};
  for (const [tag] of form.matchAll(/<input\b[^>]*>/g)) {
    const name = /name="([^"]*)"/.exec(tag)?.[1];
    if (name === undefined || (/type="checkbox"/.test(tag) && !/checked/.test(tag))) continue;
    fields[name] = unescaped(/value="([^"]*)"/.exec(tag)?.[1] ?? '');
  }
  for (const [, name = '', text = ''] of form.matchAll(/<textarea[^>]*name="([^"]*)"[^>]*>([^<]*)</g)) {
    fields[name] = unescaped(text);
  }
  for (const [, name = '', options = ''] of form.matchAll(
    /<select[^>]*name="([^"]*)"[^>]*>([\s\S]*?)<\/select>/g,
  )) {
    fields[name] = /value="([^"]*)" selected/.exec(options)?.[1] ?? '';
  }
  return fields;
}
async function post(action: string, fields: Record<string, string>, as = admin) {
  return await server.call('POST', action, {
    cookie: as.cookie,
    body: new URLSearchParams(fields).toString(),
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      accept: 'text/html',
      origin: 'https://ssh.example.com',
      'sec-fetch-site': 'same-origin',
    },
  });
}
/** Fills the form of the page at `path` as it is, but for `change`. */
async function submit(path: string, action: string, change: Record<string, string | undefined>) {
  const fields: Record<string, string | undefined> = {
    ...fieldsIn((await page(path)).body, action),
    ...change,
  };
  const sent = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value]],
  );
  return await post(action, Object.fromEntries(sent));
}

const newPath = `${settingsPath}/providers`;
const okta = {
  slug: 'okta',
  name: 'Okta <b>',
  issuer: 'https://acme.okta.example',
  preset: 'okta',
  client_id: 'c1',
  client_secret: 'a secret of the test',
  groups_prefix: 'okta::',
};

describe('identity providers', () => {
  test('are set up with a form, and shown with what is to be registered there', async () => {
    const reply = await submit(newPath, newPath, okta);
    expect(reply.headers.location).toBe(`${newPath}/okta`);
    const { body } = await page(`${newPath}/okta`);
    expect(body).toContain('https://ssh.example.com/login/callback/okta');
    expect(body).toContain('https://ssh.example.com/login/back-channel-logout/okta');
    expect(body).not.toContain('a secret of the test');
    expect(fieldsIn(body, `${newPath}/okta`)['more']).toBe('');
    expect(body).toContain('Okta &#60;b&#62;');
    expect((await page(settingsPath)).body).toContain('data-provider="okta"');
  });

  test('a form that is sent as it was shown changes nothing but the version', async () => {
    const before = await storedProvider(server.database.db, 'okta');
    const path = `${newPath}/okta`;
    expect((await submit(path, path, {})).statusCode).toBe(303);
    const after = await storedProvider(server.database.db, 'okta');
    expect(after).toEqual({ ...before, version: 2 });
  });

  test('other settings are YAML, and survive another change', async () => {
    const path = `${newPath}/okta`;
    const more = 'required_claims: { dept: [eng] }\nassurance: { multi_factor_amr: [[otp]] }\n';
    expect((await submit(path, path, { more })).statusCode).toBe(303);
    expect(
      (await submit(path, path, { name: 'Okta', email_domains: 'example.com, example.org' })).statusCode,
    ).toBe(303);
    const stored = await storedProvider(server.database.db, 'okta');
    expect(stored?.settings).toMatchObject({
      name: 'Okta',
      emailDomains: ['example.com', 'example.org'],
      requiredClaims: { dept: ['eng'] },
      assurance: { multiFactorAmr: [['otp']] },
    });
  });

  test.each([
    [{ account: 'email' }, 'claims.account: must be a template'],
    [{ more: 'a: [' }, 'Other settings are not YAML'],
    [{ more: 'scopes: [email]' }, 'scopes: must hold openid'],
    [{ preset: 'none' }, 'preset: must be one of'],
    [{ version: '1' }, 'Somebody else changed'],
  ])('%j is told, and what was typed is not lost', async (change, words) => {
    const path = `${newPath}/okta`;
    const reply = await submit(path, path, { ...change, name: 'Typed' });
    expect(reply.statusCode).toBeGreaterThanOrEqual(400);
    expect(reply.body).toContain(words);
    expect(fieldsIn(reply.body, path)['name']).toBe('Typed');
    expect(reply.body).not.toContain('a secret of the test');
  });

  test('a switched-off one can not be tested; a removed one is gone', async () => {
    const path = `${newPath}/okta`;
    expect((await submit(path, path, { enabled: undefined })).statusCode).toBe(303);
    expect((await storedProvider(server.database.db, 'okta'))?.enabled).toBe(false);
    const removed = await submit(path, `${path}/remove`, { sure: 'on' });
    expect(removed.headers.location).toBe(settingsPath);
    expect((await page(path)).statusCode).toBe(404);
    expect((await page(settingsPath)).body).not.toContain('data-provider="okta"');
  });
});

describe('the login policy', () => {
  const path = `${settingsPath}/policy`;

  test('is changed with a form', async () => {
    const reply = await submit(path, path, {
      mfa_source_provider: undefined,
      mfa_methods: 'hwk swk',
      session_idle_seconds: '3600',
      device_login: 'same-network',
      source_pinning: 'network',
      idle_timeout_seconds: '900',
      hardware_keys: 'verified',
      hardware_attestation: 'on',
      hardware_models: 'EE882879-721C-4913-9775-3DFCCE97072A',
    });
    expect(reply.headers.location).toBe(settingsPath);
    const row = await server.database.db
      .selectFrom('organizations')
      .select([
        'mfa_required',
        'mfa_sources',
        'mfa_methods',
        'session_idle_seconds',
        'device_login',
        'machine_access',
        'source_pinning',
        'idle_timeout_seconds',
        'max_connection_seconds',
        'hardware_keys',
        'hardware_attestation',
        'hardware_models',
        'hardware_authorities',
      ])
      .where('slug', '=', 'acme')
      .executeTakeFirstOrThrow();
    expect(row).toEqual({
      mfa_required: false,
      mfa_sources: ['passkey'],
      mfa_methods: ['hwk', 'swk'],
      session_idle_seconds: 3600,
      device_login: 'same-network',
      machine_access: true,
      source_pinning: 'network',
      idle_timeout_seconds: 900,
      max_connection_seconds: null,
      hardware_keys: 'verified',
      hardware_attestation: 'required',
      hardware_models: ['ee882879-721c-4913-9775-3dfcce97072a'],
      hardware_authorities: [],
    });
  });

  test.each([
    { session_max_seconds: 'soon' },
    { session_max_seconds: '' },
    { session_idle_seconds: '-1' },
    { device_login: 'maybe' },
    { mfa_methods: 'HWK' },
    { source_pinning: 'city' },
    { max_connection_seconds: '5' },
    { hardware_keys: 'sometimes' },
    { hardware_authorities: 'a text that is no certificate' },
    { mfa_source_passkey: undefined },
  ])('refuses %j and says so', async (change) => {
    const reply = await submit(path, path, change);
    expect(reply.statusCode).toBe(400);
    expect(reply.body).toContain('role="alert"');
  });

  test('wants a second factor of the last minutes where one is required', async () => {
    const { db } = server.database;
    const organization = db.updateTable('organizations').where('slug', '=', 'acme');
    await organization.set({ mfa_required: true }).execute();
    const shown = await page(path);
    const sent = await post(path, { csrf_token: 'any', device_login: 'on' });
    const made = await post(newPath, { csrf_token: 'any', ...okta });
    await organization.set({ mfa_required: false }).execute();
    expect(String(shown.headers.location)).toContain('/console/step-up?return_to=');
    for (const reply of [sent, made]) expect(reply.body).toContain('href="/console/step-up?return_to');
  });
});

test('others than admins see none of it', async () => {
  for (const path of [settingsPath, `${settingsPath}/policy`, newPath]) {
    expect((await page(path, bob)).statusCode, path).toBe(403);
  }
  const own = fieldsIn((await page('/console/identities', bob)).body, '/console/sign-out');
  for (const path of [newPath, `${settingsPath}/policy`]) {
    expect((await post(path, own, bob)).statusCode, path).toBe(403);
  }
});
