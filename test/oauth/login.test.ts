import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Browser, pageText } from '../../src/dev/tour/browser.ts';
import { type LandingPlace, openLandingPlace } from '../login/landing-place.ts';
import { type RunningServer, startRunningServer } from './running-server.ts';
import { newProofKey, type ProofKey, proof, SallyClient } from './sally-client.ts';

let running: RunningServer;
let landing: LandingPlace;
let key: ProofKey;
beforeAll(async () => {
  running = await startRunningServer();
  landing = await openLandingPlace();
  key = await newProofKey();
});
afterAll(async () => {
  await landing.close();
  await running.close();
  expect(running.serverErrors).toEqual([]);
});

const sally = () => new SallyClient(running, key, landing.port);
const sessions = () => running.database.db.selectFrom('login_sessions').selectAll().execute();
const records = () => running.database.db.selectFrom('oauth_records').selectAll().execute();

describe('a login of sally', () => {
  test('ends at the loopback listener with a code and the issuer (RFC 9207)', async () => {
    const client = sally();
    const { url, text } = await client.logIn(running.people.alice);
    expect(text).toBe('landed');
    expect(url.searchParams.get('iss')).toBe(running.issuer);
    expect(url.searchParams.get('state')).toBe(client.state);
    expect(url.searchParams.get('code')).toMatch(/^[A-Za-z0-9_-]{40,}$/);
  });

  test('gives DPoP-bound tokens that name a session with what the identity provider said', async () => {
    const tokens = await sally().tokensOf(running.people.alice);
    expect(tokens).toMatchObject({ token_type: 'DPoP', expires_in: 300 });
    const claims = decodeJwt(tokens.access_token);
    expect(decodeProtectedHeader(tokens.access_token)).toMatchObject({ typ: 'at+jwt', alg: 'ES256' });
    expect(claims).toMatchObject({
      iss: running.issuer,
      aud: `${running.publicUrl.origin}/v1`,
      client_id: 'sally',
    });
    const session = (await sessions()).find(({ id }) => id === claims['sid']);
    expect(session).toMatchObject({
      account_id: claims.sub,
      kind: 'helper',
      amr: ['pwd', 'otp', 'mfa'],
      mfa: true,
      ended_at: null,
    });
    expect((session?.auth_time.getTime() ?? 0) / 1000).toBeCloseTo(Date.now() / 1000, -2);
  });

  test('does not count as MFA for a person who showed a password only', async () => {
    const tokens = await sally().tokensOf(running.people.carol);
    const session = (await sessions()).find(({ id }) => id === decodeJwt(tokens.access_token)['sid']);
    expect(session).toMatchObject({ amr: ['pwd'], mfa: false });
  });

  test('goes to the identity provider every time, whoever used the browser before', async () => {
    const client = sally();
    await client.logIn(running.people.carol);
    const again = new SallyClient(running, key, landing.port);
    const page = await client.browser.open(await again.authorizationUrl());
    expect(page.text).toContain('name="password"');
  });

  test('notes the name of the machine that asked', async () => {
    const client = sally();
    const { url } = await client.logIn(running.people.carol, { device_name: 'carols-laptop\u0007' });
    const { body } = await client.redeem(url.searchParams.get('code') ?? '');
    const { sid } = decodeJwt(String(body['access_token']));
    expect((await sessions()).find(({ id }) => id === sid)?.client_name).toBe('carols-laptop?');
  });

  test('leaves neither codes nor refresh tokens readable in the table', async () => {
    const client = sally();
    const { url } = await client.logIn(running.people.carol);
    const code = url.searchParams.get('code') ?? '';
    const { body } = await client.redeem(code);
    const table = JSON.stringify(await records());
    expect(table).not.toContain(code);
    expect(table).not.toContain(String(body['refresh_token']));
  });
});

test('nothing of a login is kept longer than its session may last', async () => {
  const client = sally();
  const { refresh_token, access_token } = await client.tokensOf(running.people.carol);
  await client.refresh(refresh_token);
  const session = (await sessions()).find(({ id }) => id === decodeJwt(access_token)['sid']);
  const kept = (await records()).filter(({ grant_id }) => grant_id === session?.grant_id);
  expect(kept.map(({ model }) => model).sort()).toContain('Grant');
  expect(kept.filter(({ model }) => model === 'RefreshToken')).toHaveLength(2);
  for (const { model, expires_at } of kept) {
    expect([model, expires_at?.getTime()]).toEqual([model, expect.any(Number)]);
    expect(expires_at?.getTime()).toBeLessThanOrEqual(session?.expires_at.getTime() ?? 0);
  }
});

describe('[abuse 59] an authorization code', () => {
  test('used twice is refused, and what came of the first use ends', async () => {
    const client = sally();
    const { url } = await client.logIn(running.people.carol);
    const code = url.searchParams.get('code') ?? '';
    const first = await client.redeem(code);
    expect(first.status).toBe(200);
    expect(await client.redeem(code)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    const { sid } = decodeJwt(String(first.body['access_token']));
    expect((await sessions()).find(({ id }) => id === sid)?.ended_reason).toBe('code_reused');
    expect(await client.refresh(String(first.body['refresh_token']))).toMatchObject({ status: 400 });
  });

  test('is good once, even for ten requests at the same moment', async () => {
    const client = sally();
    const { url } = await client.logIn(running.people.carol);
    const code = url.searchParams.get('code') ?? '';
    const answers = await Promise.all(Array.from({ length: 10 }, () => client.redeem(code)));
    expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
    for (const { status, body } of answers) {
      if (status !== 200)
        expect({ status, body }).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    }
  });

  test.each([
    ['another verifier', { code_verifier: 'x'.repeat(43) }],
    ['no verifier', { code_verifier: '' }],
    ['another port of the redirect URI', { redirect_uri: 'http://127.0.0.1:1/callback' }],
    ['another client', { client_id: 'harry' }],
  ])('with %s is refused', async (_what, change) => {
    const client = sally();
    const { url } = await client.logIn(running.people.carol);
    const { status } = await client.redeem(url.searchParams.get('code') ?? '', change);
    expect([400, 401]).toContain(status);
  });

  test('without a DPoP proof is refused', async () => {
    const client = sally();
    const { url } = await client.logIn(running.people.carol);
    const answer = await client.token(
      {
        grant_type: 'authorization_code',
        code: url.searchParams.get('code') ?? '',
        redirect_uri: client.redirectUri,
        code_verifier: client.verifier,
      },
      null,
    );
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
  });
});

describe('an authorization request', () => {
  test.each([
    'http://localhost:4000/callback',
    'http://[::1]:4000/callback',
    'http://127.0.0.1:4000/callback/more',
    'http://127.0.0.1:4000/',
    'http://127.0.0.1:4000/x/%2e%2e/callback',
    'http://127.0.0.1:4000/callback?x=1',
    'http://127.0.0.1:4000/callback#x',
    'https://127.0.0.1:4000/callback',
    'http://127.0.0.1.evil.test:4000/callback',
    'http://127.0.0.1:4000@evil.test/callback',
    'http://user@127.0.0.1:4000/callback',
    'http://evil.test/callback',
    'javascript:alert(1)',
    'sally:/callback',
    '',
  ])('[abuse 61] with the redirect URI "%s" is not taken', async (redirect_uri) => {
    expect(await sally().push({ redirect_uri })).toMatchObject({
      status: 400,
      body: { error: 'invalid_request' },
    });
  });

  test('[abuse 61] that was not pushed is refused on a page of ours, whatever it asks for', async () => {
    for (const change of [{}, { redirect_uri: 'http://evil.test/callback' }, { client_id: 'harry' }]) {
      const url = new URL(`${running.issuer}/auth`);
      url.search = new URLSearchParams(sally().parameters(change)).toString();
      const page = await new Browser().open(url);
      if (Object.keys(change).length === 0) {
        expect(page.url.searchParams.get('error')).toBe('invalid_request');
        continue;
      }
      expect(page.status).toBe(400);
      expect(page.url.origin).toBe(running.publicUrl.origin);
      expect(pageText(page.text)).toContain('sally login');
    }
  });

  test.each([
    ['no challenge', { code_challenge: undefined, code_challenge_method: undefined }, 'invalid_request'],
    ['a plain challenge', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['a challenge without method', { code_challenge_method: undefined }, 'invalid_request'],
  ])('[abuse 60] with %s is not taken', notTaken);
  test.each([
    ['another resource', { resource: 'https://evil.test/' }, 'invalid_target'],
    ['the implicit flow', { response_type: 'token' }, 'unsupported_response_type'],
    ['another assurance than multi-factor', { acr_values: 'urn:evil' }, 'invalid_request'],
    ['a session that can be none', { session_id: '1' }, 'invalid_request'],
    ['a provider that can be none', { provider: '../x' }, 'invalid_request'],
  ])('with %s is not taken', notTaken);
  async function notTaken(_what: string, change: Record<string, string | undefined>, error: string) {
    expect(await sally().push(change)).toMatchObject({ status: 400, body: { error } });
  }

  test('with prompt=none comes back to sally as an error', async () => {
    const { url } = await new Browser().open(await sally().authorizationUrl({ prompt: 'none' }));
    expect(url.port).toBe(String(landing.port));
    expect(url.searchParams.get('error')).toBe('login_required');
  });

  test('is not taken up by another browser', async () => {
    const client = sally();
    const first = await fetch(await client.authorizationUrl(), { redirect: 'manual' });
    const interaction = new URL(first.headers.get('location') ?? '', running.publicUrl);
    const page = await new Browser().open(interaction);
    expect(page.status).toBe(400);
    expect(pageText(page.text)).toContain('not started in this browser');
  });

  test('asks the provider for a fresh login, whoever led the browser there', async () => {
    const first = await fetch(await sally().authorizationUrl(), { redirect: 'manual' });
    const cookie = first.headers.getSetCookie().map((line) => line.split(';')[0]);
    const interaction = new URL(first.headers.get('location') ?? '', running.publicUrl);
    const second = await fetch(interaction, { redirect: 'manual', headers: { cookie: cookie.join('; ') } });
    expect(second.status).toBe(303);
    expect(new URL(second.headers.get('location') ?? '').searchParams.get('prompt')).toBe('login');
  });

  test('ignores what the request says of its host', async () => {
    const response = await fetch(`${running.issuer}/.well-known/openid-configuration`, {
      headers: { 'x-forwarded-host': 'evil.test', 'x-forwarded-proto': 'https' },
    });
    const metadata = JSON.stringify(await response.json());
    expect(metadata).toContain(`${running.issuer}/token`);
    expect(metadata).not.toContain('evil.test');
  });
});

describe('a refused login', () => {
  test('for want of the provider that was asked for is told to sally, which waits', async () => {
    const { url } = await new Browser().open(await sally().authorizationUrl({ provider: 'nobody' }));
    expect(url.port).toBe(String(landing.port));
    expect(url.searchParams.get('error')).toBe('access_denied');
    expect(url.searchParams.get('error_description')).toContain('no such identity provider');
  });

  test('is told to sally, and recorded', async () => {
    await running.database.db.updateTable('accounts').set({ disabled_at: new Date() }).execute();
    const { url } = await sally()
      .logIn(running.people.carol)
      .finally(() => running.database.db.updateTable('accounts').set({ disabled_at: null }).execute());
    expect(url.searchParams.get('error')).toBe('access_denied');
    expect(url.searchParams.get('error_description')).toContain('carol@acme.test is disabled');
    const events = await running.database.db
      .selectFrom('audit_events')
      .select('facts')
      .where('event', '=', 'login.refused')
      .execute();
    expect(JSON.stringify(events)).toContain('login_rejected');
  });
});

test('whoever makes up replies of the identity provider leaves nothing in the database', async () => {
  const tables = ['audit_events', 'login_states', 'oauth_records'] as const;
  const count = () =>
    Promise.all(
      tables.map(async (table) => (await running.database.db.selectFrom(table).selectAll().execute()).length),
    );
  const before = await count();
  for (const query of ['', '?state=made-up&code=made-up', '?state=made-up&error=access_denied']) {
    const response = await fetch(new URL(`/login/callback${query}`, running.publicUrl));
    expect(response.status).toBe(400);
  }
  expect(await count()).toEqual(before);
});

describe('the token endpoint', () => {
  test('[abuse 87] takes a DPoP proof once, even at the same moment', async () => {
    const client = sally();
    const { refresh_token } = await client.tokensOf(running.people.carol);
    const url = `${running.issuer}/token`;
    const dpop = await proof(key, { htm: 'POST', htu: url, nonce: running.nonce() });
    const parameters = { client_id: 'sally', grant_type: 'refresh_token', refresh_token };
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => client.post(url, parameters, { dpop })),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 400)).toHaveLength(4);
  });

  test('revokes: the session of a revoked refresh token has ended', async () => {
    const client = sally();
    const { refresh_token, access_token } = await client.tokensOf(running.people.carol);
    const revoked = await client.post(`${running.issuer}/token/revocation`, {
      client_id: 'sally',
      token: refresh_token,
    });
    expect(revoked.status).toBe(200);
    const session = (await sessions()).find(({ id }) => id === decodeJwt(access_token)['sid']);
    expect(session).toMatchObject({ ended_reason: 'logout', ended_by: 'carol@acme.test' });
  });

  test('knows neither introspection, user information nor registration', async () => {
    for (const path of ['/token/introspection', '/me', '/reg', '/session/end', '/device']) {
      const { status } = await fetch(`${running.issuer}${path}`, { method: 'POST' });
      expect([path, status]).toEqual([path, 404]);
    }
  });
});
