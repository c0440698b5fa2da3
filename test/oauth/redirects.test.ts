import { decodeJwt } from 'jose';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { recordId } from '../../src/oauth/record-store.ts';
import { DeviceBrowser } from './device-browser.ts';
import { type MatrixWorld, person, startMatrixWorld } from './matrix-world.ts';
import { RedirectWalk } from './redirect-walk.ts';
import { proof } from './sally-client.ts';

let world: MatrixWorld;
beforeAll(async () => {
  world = await startMatrixWorld();
});
afterAll(async () => {
  await world.close();
  expect(world.running.serverErrors).toEqual([]);
});

const isLanding = ({ port }: URL) => port === String(world.landing.port);

test('[abuse 64] no redirect of ours makes a browser post again what it posted', async () => {
  const ours = world.running.publicUrl.origin;
  const seen: { readonly from: string; readonly status: number }[] = [];
  const real = globalThis.fetch;
  const spy = vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, request) => {
    const response = await real(input, request);
    const url = new URL(String(input));
    if (url.origin === ours && response.headers.has('location')) {
      seen.push({ from: `${request?.method ?? 'GET'} ${url.pathname}`, status: response.status });
    }
    return response;
  });
  try {
    const client = await world.client();
    const start = await client.authorizationUrl({ provider: 'corp' });
    await new RedirectWalk().until(start, person, isLanding);
    const { body } = await client.askForDevice({ provider: 'corp' });
    const browser = new DeviceBrowser(world.running);
    await browser.type(String(body['user_code']));
    const login = new URL('/device/login', world.running.publicUrl);
    const question = await world.provider.logIn(browser.browser, login, person);
    expect(question.text).toContain('May this machine log in as you?');
    await browser.decide(question, 'approve');
  } finally {
    spy.mockRestore();
  }
  const paths = seen.map(({ from }) => from.replace(/[A-Za-z0-9_-]{20,}$/, '…'));
  expect(paths).toEqual([
    'GET /oauth/auth',
    'GET /oauth/interaction/…',
    'GET /login/callback/corp',
    'GET /oauth/auth/…',
    'GET /device/login',
    'GET /login/callback/corp',
  ]);
  expect(seen.map(({ status }) => status)).toEqual(seen.map(() => 303));
});

describe('a pushed request', () => {
  test('is all that counts: what stands beside it in the address is not read', async () => {
    const client = await world.client();
    const url = await client.authorizationUrl({ provider: 'corp' });
    for (const [name, value] of Object.entries({
      redirect_uri: 'http://evil.test/callback',
      scope: 'openid',
      code_challenge: 'y'.repeat(43),
      state: 'another',
      provider: 'default',
      session_id: '00000000-0000-4000-8000-000000000000',
    })) {
      url.searchParams.set(name, value);
    }
    const landed = await new RedirectWalk().until(url, person, isLanding);
    expect(landed.searchParams.get('state')).toBe(client.state);
    expect((await client.redeem(landed.searchParams.get('code') ?? '')).status).toBe(200);
  });

  test('is over after a minute', async () => {
    const client = await world.client();
    const url = await client.authorizationUrl();
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 });
    try {
      const response = await fetch(url, { redirect: 'manual' });
      expect(response.status).toBe(400);
      expect(await response.text()).toContain('request_uri');
    } finally {
      vi.useRealTimers();
    }
  });

  test('stands in the table under a digest of its name', async () => {
    const client = await world.client();
    const { body } = await client.push();
    const [, name = ''] = String(body['request_uri']).split('request_uri:');
    const row = await world.running.database.db
      .selectFrom('oauth_records')
      .select('id')
      .where('model', '=', 'PushedAuthorizationRequest')
      .where('id', '=', recordId(name))
      .executeTakeFirst();
    expect(row).toBeDefined();
  });
});

test('the nonce of a request comes back in the ID token', async () => {
  const client = await world.client();
  const start = await client.authorizationUrl({ provider: 'corp', nonce: 'of this very login' });
  const { url } = await world.provider.logIn(client.browser, start, person);
  const { body } = await client.redeem(url.searchParams.get('code') ?? '');
  expect(decodeJwt(String(body['id_token']))['nonce']).toBe('of this very login');
});

test('[abuse 60] an empty verifier, another, and any where no challenge is stored are refused', async () => {
  const { db } = world.running.database;
  const { client, code } = await world.code();
  const invalid = { status: 400, body: { error: 'invalid_grant' } };
  for (const code_verifier of ['', 'x'.repeat(43)]) {
    expect(await client.redeem(code, { code_verifier })).toMatchObject(invalid);
  }
  await db
    .updateTable('oauth_records')
    .set({ payload: sql`payload - 'codeChallenge' - 'codeChallengeMethod'` })
    .where('id', '=', recordId(code))
    .execute();
  expect(await client.redeem(code)).toMatchObject(invalid);
});

test('one nonce is good at the token endpoint and at our own API', async () => {
  const { client, access } = await world.tokens();
  const { issuer, server } = world.running;
  const refused = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { dpop: await proof(client.key, { htm: 'POST', htu: `${issuer}/token` }) },
    body: new URLSearchParams({ client_id: 'sally', grant_type: 'refresh_token', refresh_token: 'x' }),
  });
  expect(await refused.json()).toMatchObject({ error: 'use_dpop_nonce' });
  const nonce = refused.headers.get('dpop-nonce') ?? '';
  await server.authenticate(await client.presented(access, { nonce }));
  const answer = await client.proven(
    '/token',
    { client_id: 'sally', grant_type: 'refresh_token', refresh_token: 'x' },
    client.key,
    { nonce: server.proofNonce() },
  );
  expect(answer.body['error']).toBe('invalid_grant');
});

test('a pushed request is one of so many that an address may push in a minute', async () => {
  const { db } = world.running.database;
  const client = await world.client();
  world.running.startOfWindow(60);
  await client.push();
  await db.updateTable('attempts').set({ count: 1200 }).where('bucket', '=', 'pushed-request').execute();
  const before = await db.selectFrom('oauth_records').select('id').execute();
  expect(await client.push()).toMatchObject({ status: 429, body: { error: 'temporarily_unavailable' } });
  expect(await db.selectFrom('oauth_records').select('id').execute()).toHaveLength(before.length);
  await db.deleteFrom('attempts').execute();
});
