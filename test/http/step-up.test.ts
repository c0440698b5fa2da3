import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { inTransaction } from '../../src/database/transaction.ts';
import { addPasskey } from '../../src/login/passkey-store.ts';
import { startTestServer, type TestPerson, type TestServer } from './test-server.ts';

let server: TestServer;
let admin: TestPerson;
let person: TestPerson;
beforeAll(async () => {
  server = await startTestServer();
  admin = await server.person('ada', 'admin');
  person = await server.person('bob', 'contributor');
});
afterAll(() => server.close());
beforeEach(async () => {
  await policy({ mfa_required: true, mfa_max_age_seconds: null, mfa_sources: ['provider', 'passkey'] });
  for (const { sessionId, browserSessionId } of [admin, person]) {
    for (const id of [sessionId, browserSessionId]) await login(id, 0);
  }
});

async function policy(change: {
  mfa_required?: boolean;
  mfa_max_age_seconds?: number | null;
  mfa_sources?: ('provider' | 'passkey')[];
}): Promise<void> {
  await server.database.db.updateTable('organizations').set(change).where('slug', '=', 'acme').execute();
}
/** When the second factor of a session was given; null: never. */
async function login(sessionId: string, secondsAgo: number | null): Promise<void> {
  const at = new Date(server.clock.now.getTime() - (secondsAgo ?? 0) * 1000);
  const factor =
    secondsAgo === null
      ? { mfa: false, mfa_by: null, mfa_methods: [], mfa_time: null }
      : { mfa: true, mfa_by: 'provider' as const, mfa_methods: ['otp'], mfa_time: at };
  await server.database.db
    .updateTable('login_sessions')
    .set({ auth_time: at, ...factor })
    .where('id', '=', sessionId)
    .execute();
}

async function passkeyOf({ accountId }: TestPerson): Promise<string> {
  const passkey = {
    accountId,
    credentialId: Buffer.from(`${accountId} ${Math.random()}`),
    publicKey: Buffer.alloc(77, 1),
    counter: 0,
    transports: [],
    model: '01020304-0506-0708-0102-030405060708',
    backedUp: false,
    name: 'Key',
  };
  return await inTransaction(server.database.db, (tx) =>
    addPasskey(tx, passkey, { mayBeAnother: true }, server.clock.now),
  );
}
const report = (as: TestPerson) =>
  server.call('PUT', '/v1/inventory/apps/shop.production.web/instances', {
    as,
    body: { instances: [{ slug: null, address: '10.1.2.3', login: 'root' }] },
  });
const reset = (as: TestPerson, account = person.account) =>
  server.call('POST', `/v1/accounts/${account}/passkeys/reset`, { as, body: {} });

describe('a program that wants what needs a second factor of the last minutes', () => {
  test('[seeds 9] is told so as RFC 9470 has it, with what to ask for', async () => {
    await login(admin.sessionId, null);
    const reply = await reset(admin);
    expect([reply.statusCode, reply.json()]).toEqual([
      401,
      expect.objectContaining({
        code: 'insufficient_user_authentication',
        acr_values: 'mfa',
        max_age: 900,
        reasons: ['mfa_missing'],
        command: 'sally login --mfa --max-age 900',
      }),
    ]);
    const challenge = String(reply.headers['www-authenticate']);
    expect(challenge).toMatch(/^DPoP /);
    for (const part of ['error="insufficient_user_authentication"', 'acr_values="mfa"', 'max_age="900"']) {
      expect(challenge).toContain(part);
    }
  });

  test('is let in for fifteen minutes, or as long as the organization lets it', async () => {
    await login(admin.sessionId, 900);
    expect((await reset(admin)).statusCode).toBe(200);
    await login(admin.sessionId, 901);
    expect((await reset(admin)).json()).toMatchObject({ reasons: ['mfa_too_old'] });
    await policy({ mfa_max_age_seconds: 60 });
    await login(admin.sessionId, 61);
    expect((await reset(admin)).json()).toMatchObject({ max_age: 60 });
  });

  test('is a person who says which instances there are, and who logs in there', async () => {
    await login(admin.sessionId, null);
    expect((await report(admin)).json()).toMatchObject({ reasons: ['mfa_missing'] });
    const state = await server.call('PATCH', '/v1/inventory/instances/shop-production--web', {
      as: admin,
      body: { state: 'stopped' },
    });
    expect(state.json()).toMatchObject({ reasons: ['mfa_missing'] });
    await login(admin.sessionId, 0);
    expect((await report(admin)).statusCode).toBe(200);
  });

  test('is asked for nothing where the organization requires none', async () => {
    await policy({ mfa_required: false });
    await login(admin.sessionId, null);
    expect((await reset(admin)).statusCode).toBe(200);
  });

  test('is told before that if it is no admin', async () => {
    await login(person.sessionId, null);
    expect((await reset(person)).statusCode).toBe(403);
  });

  test('is asked by an operator’s route for what the organization takes', async () => {
    const olga = await server.person('olga', null);
    await policy({ mfa_sources: ['passkey'], mfa_max_age_seconds: 600 });
    await login(olga.sessionId, 0);
    const reply = await server.call('GET', '/v1/ca', { as: olga });
    expect([reply.statusCode, reply.json()]).toEqual([
      401,
      expect.objectContaining({ acr_values: 'mfa', max_age: 600 }),
    ]);
  });
});

describe('an API token of an admin', () => {
  test('is an admin only as far as its role limit goes', async () => {
    const reply = async () => (await server.call('GET', '/v1/sessions', { as: admin })).statusCode;
    const limit = async (role: 'contributor' | 'admin' | null) => {
      await server.database.db
        .updateTable('login_sessions')
        .set({ role_limit: role })
        .where('id', '=', admin.sessionId)
        .execute();
    };
    await limit('contributor');
    expect(await reply()).toBe(403);
    await limit('admin');
    expect(await reply()).toBe(200);
    await limit(null);
  });
});

describe('a browser', () => {
  test('is led to a step-up and back to the page', async () => {
    const id = await passkeyOf(person);
    await login(person.browserSessionId, 901);
    const path = `/console/security/passkeys/${id}/remove`;
    const reply = await server.call('GET', path, { cookie: person.cookie });
    const next = `/console/step-up?return_to=${encodeURIComponent(path)}`;
    expect([reply.statusCode, reply.headers.location]).toEqual([303, next]);
    const begun = await server.call('GET', next, { cookie: person.cookie });
    const { searchParams } = new URL(String(begun.headers.location));
    expect(JSON.parse(searchParams.get('purpose') ?? '')).toMatchObject({
      purpose: { kind: 'browser', returnTo: path, renew: person.browserSessionId },
      demand: { mfa: true, maxAgeSeconds: 900 },
    });
  });

  test('that sent a form is led there by a page, with nothing done', async () => {
    const id = await passkeyOf(person);
    await login(person.browserSessionId, null);
    const reply = await server.call('POST', `/console/security/passkeys/${id}/remove`, {
      cookie: person.cookie,
      headers: { origin: server.publicUrl.origin, 'content-type': 'application/x-www-form-urlencoded' },
      body: 'csrf_token=x',
    });
    expect(reply.body).not.toContain('no passkey here');
    expect(reply.headers['refresh']).toBe('0;url=/console/step-up?return_to=%2Fconsole%2Fsecurity');
    expect((await server.call('GET', '/v1/passkeys', { as: person })).json().passkeys).not.toEqual([]);
  });

  test('of somebody signed out is led to sign in, not to a step-up', async () => {
    const reply = await server.call('GET', '/console/step-up');
    expect(reply.headers.location).toContain('/console/sign-in');
  });
});

describe('passkeys over the API', () => {
  test('are listed for their owner, without what they are made of', async () => {
    const id = await passkeyOf(person);
    const { passkeys, recovery_codes_left } = (
      await server.call('GET', '/v1/passkeys', { as: person })
    ).json();
    expect(passkeys).toContainEqual({
      id,
      name: 'Key',
      model: '01020304-0506-0708-0102-030405060708',
      backed_up: false,
      created_at: Math.floor(server.clock.now.getTime() / 1000),
      last_used_at: null,
    });
    expect(recovery_codes_left).toBe(0);
    const others = (await server.call('GET', '/v1/passkeys', { as: admin })).json();
    expect(others.passkeys).toEqual([]);
  });

  test('are removed by their owner with a second factor, even where the organization requires none', async () => {
    await policy({ mfa_required: false });
    const id = await passkeyOf(person);
    const remove = (as: TestPerson) => server.call('POST', `/v1/passkeys/${id}/remove`, { as, body: {} });
    expect((await remove(admin)).statusCode).toBe(404);
    await login(person.sessionId, null);
    expect((await remove(person)).statusCode).toBe(401);
    await login(person.sessionId, 0);
    expect((await remove(person)).statusCode).toBe(204);
    expect((await remove(person)).statusCode).toBe(404);
  });

  test('are all removed by an admin of the same organization, and recorded with who did it', async () => {
    await passkeyOf(person);
    const { length } = (await server.call('GET', '/v1/passkeys', { as: person })).json().passkeys;
    expect((await reset(admin)).json()).toEqual({ removed: length });
    expect((await server.call('GET', '/v1/passkeys', { as: person })).json().passkeys).toEqual([]);
    const { facts } = await server.database.db
      .selectFrom('audit_events')
      .select('facts')
      .where('event', '=', 'passkey.removed')
      .orderBy('id', 'desc')
      .executeTakeFirstOrThrow();
    expect(facts).toMatchObject({ by: admin.account });
    expect((await reset(admin, 'nobody@example.com')).statusCode).toBe(404);
  });

  test('are reset in the console too, by admins only', async () => {
    const send = async (as: TestPerson) => {
      const page = await server.call('GET', '/console/security', { cookie: as.cookie });
      const csrf = /name="csrf_token" value="([^"]+)"/.exec(page.body)?.[1] ?? '';
      return await server.call('POST', `/console/accounts/${person.account}/reset-passkeys`, {
        cookie: as.cookie,
        headers: { origin: server.publicUrl.origin, 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ csrf_token: csrf }).toString(),
      });
    };
    await passkeyOf(person);
    expect((await send(person)).statusCode).toBe(403);
    expect((await send(admin)).headers.location).toBe(`/console/accounts/${person.account}`);
    expect((await server.call('GET', '/v1/passkeys', { as: person })).json().passkeys).toEqual([]);
  });
});
