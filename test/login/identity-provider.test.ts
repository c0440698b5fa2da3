import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createIdentityProvider } from '../../src/login/create-identity-provider.ts';
import { purposeOfFailure } from '../../src/login/identity-provider.ts';
import {
  browserSecret,
  clientId,
  type ForgingWorld,
  openForgingWorld,
  redirectUri,
  unixNow,
  withCode,
} from './forging-world.ts';

let world: ForgingWorld;
beforeAll(async () => {
  world = await openForgingWorld();
});
afterAll(() => world.close());
beforeEach(() => world.reset());

test('a login is asked for with PKCE, state, nonce and max_age', async () => {
  const { url } = await world.start();
  expect(Object.fromEntries(url.searchParams)).toMatchObject({
    client_id: clientId,
    redirect_uri: redirectUri.href,
    response_type: 'code',
    scope: 'openid email',
    code_challenge_method: 'S256',
    code_challenge: expect.stringMatching(/^[\w-]{43}$/),
    state: expect.stringMatching(/^[\w-]{43}$/),
    nonce: expect.stringMatching(/^[\w-]{43}$/),
    max_age: '43200',
  });
  expect(url.searchParams.get('prompt')).toBeNull();
});

test('the result says who, how and when', async () => {
  const result = await world.logIn();
  expect(result).toEqual({
    provider: { slug: 'okta', name: 'Acme Okta' },
    issuer: world.forging.issuer,
    subject: 'subject-1',
    accountName: 'alice@acme.test',
    displayName: 'Alice',
    groups: ['admins'],
    amr: ['mfa'],
    acr: null,
    authTime: expect.any(Date),
    mfa: true,
    mfaMethods: ['mfa'],
    upstreamSid: null,
    refreshToken: null,
    startedAt: expect.any(Date),
    purpose: { kind: 'helper' },
    organizationSlug: 'acme',
  });
  expect(world.forging.redeemed[0]?.get('code_verifier')).toMatch(/^[\w-]{43}$/);
  expect(world.forging.redeemed[0]?.get('redirect_uri')).toBe(redirectUri.href);
});

test('neither state nor browser secret stands in the table', async () => {
  const { state } = await world.start();
  const table = JSON.stringify(await world.database.db.selectFrom('login_states').selectAll().execute());
  expect(table).not.toContain(state);
  expect(table).not.toContain(browserSecret);
});

describe('[abuse 57] the state', () => {
  test.each([
    ['missing', () => new URL(`${redirectUri}?code=a-code`)],
    ['empty', () => world.callback({ state: '' })],
    ['unknown', () => world.callback({ state: 'x'.repeat(43) })],
    ['given twice', (state: string) => new URL(`${world.callback({ state })}&state=${state}`)],
    ['changed in one character', (state: string) => world.callback({ state: `${state.slice(0, -1)}~` })],
  ])('%s is refused', async (_what, url) => {
    const { state } = await world.start();
    await expect(world.provider.finishLogin(url(state), browserSecret)).rejects.toEqual(
      withCode('login_state_invalid'),
    );
    expect(world.forging.redeemed).toHaveLength(0);
  });

  test.each([undefined, '', 'login_of-another-browser'])(
    'of this browser is refused in the browser %j, and still good in its own',
    async (other) => {
      const { state } = await world.start();
      await expect(world.provider.finishLogin(world.callback({ state }), other)).rejects.toEqual(
        withCode('login_state_invalid'),
      );
      await world.provider.finishLogin(world.callback({ state }), browserSecret);
    },
  );

  test('is good once, even for ten replies at the same moment', async () => {
    const { state } = await world.start();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, () => world.provider.finishLogin(world.callback({ state }), browserSecret)),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(world.forging.redeemed).toHaveLength(1);
  });

  test('is good for a quarter of an hour', async () => {
    const { state } = await world.start();
    world.advance(15 * 60);
    await expect(world.provider.finishLogin(world.callback({ state }), browserSecret)).rejects.toEqual(
      withCode('login_state_invalid'),
    );
  });
});

describe('[abuse 58] the issuer in the reply', () => {
  test.each([
    ['of another provider', 'https://other.example.com'],
    ['with a slash more', `http://127.0.0.1/`],
  ])('%s is refused before the code is redeemed', async (_what, iss) => {
    const { state } = await world.start();
    await expect(world.provider.finishLogin(world.callback({ state, iss }), browserSecret)).rejects.toEqual(
      withCode('login_rejected'),
    );
    expect(world.forging.redeemed).toHaveLength(0);
  });

  test('missing, where the provider promised it, is refused', async () => {
    const { state } = await world.start();
    const url = world.callback({ state });
    url.searchParams.delete('iss');
    await expect(world.provider.finishLogin(url, browserSecret)).rejects.toEqual(withCode('login_rejected'));
  });
});

describe('what counts as MFA', () => {
  test.each([
    ['mfa', ['mfa'], true],
    ['another accepted method', ['pwd', 'hwk'], true],
    ['a password', ['pwd'], false],
    ['another case', ['MFA'], false],
    ['text', 'mfa', false],
    ['text that names several', 'pwd mfa', false],
    ['nested lists', [['mfa']], false],
    ['a list with something else in it', ['mfa', 1], false],
    ['an object', { mfa: true }, false],
    ['an unknown value', ['superduper'], false],
    ['nothing', undefined, false],
  ])('[abuse 69] amr with %s', async (_what, amr, mfa) => {
    expect((await world.logIn({ amr })).mfa).toBe(mfa);
  });

  test('is not taken from the userinfo endpoint', async () => {
    world.forging.userinfo = { sub: 'subject-1', amr: ['mfa'], acr: 'high', name: 'Alice' };
    const result = await world.logIn({ amr: undefined, name: undefined });
    expect(result).toMatchObject({ mfa: false, amr: [], acr: null, displayName: 'Alice' });
  });
});

describe('a fresh login', () => {
  test('is asked for with prompt=login', async () => {
    const { url } = await world.start({ fresh: true, maxAgeSeconds: 300 });
    expect(url.searchParams.get('prompt')).toBe('login');
    expect(url.searchParams.get('max_age')).toBe('300');
  });

  test('[abuse 70] is not satisfied by an older one', async () => {
    const { state } = await world.start({ fresh: true });
    world.forging.claims = { auth_time: unixNow() - 600 };
    await expect(world.provider.finishLogin(world.callback({ state }), browserSecret)).rejects.toEqual(
      withCode('login_rejected'),
    );
  });
});

describe('who the person is', () => {
  test('comes from the userinfo endpoint where the ID token is thin', async () => {
    world.forging.userinfo = {
      sub: 'subject-1',
      email: 'alice@acme.test',
      name: 'Alice',
      groups: ['admins'],
    };
    const result = await world.logIn({ email: undefined, name: undefined, groups: undefined });
    expect(result).toMatchObject({ accountName: 'alice@acme.test', groups: ['admins'] });
  });

  test.each([
    ['somebody else', { sub: 'subject-2' }],
    ['somebody in other letters', { sub: 'SUBJECT-1' }],
    ['nobody', { sub: undefined }],
    ['a list', { sub: ['subject-1'] }],
  ])('[abuse 73] is not taken from the userinfo of %s', async (_what, who) => {
    world.forging.userinfo = { email: 'mallory@acme.test', email_verified: true, ...who };
    await expect(world.logIn({ email: undefined })).rejects.toEqual(withCode('login_rejected'));
  });

  test.each([false, 'false', 0, null])('is refused for an e-mail address whose flag is %j', async (flag) => {
    await expect(world.logIn({ email_verified: flag })).rejects.toEqual(withCode('login_rejected'));
  });

  test.each(['Alice@Acme.test', 'alice@acme.test'])('is one name, however %s is written', async (email) => {
    expect((await world.logIn({ email })).accountName).toBe('alice@acme.test');
  });

  test.each(['alice', 'a@b@acme.test', 'alice,root@acme.test', 'al ice@acme.test', 'älice@acme.test', ''])(
    'is refused for the account name "%s"',
    async (email) => {
      await expect(world.logIn({ email })).rejects.toEqual(withCode('name_refused'));
    },
  );

  test('is refused without the claim that names the account', async () => {
    await expect(world.logIn({ email: undefined })).rejects.toEqual(withCode('login_rejected'));
  });

  test('has no groups where the provider says none', async () => {
    expect((await world.logIn({ groups: undefined })).groups).toEqual([]);
  });

  test.each([
    ['text', { groups: 'admins' }],
    ['a list of other things', { groups: ['a', 1] }],
    ['elsewhere', { groups: undefined, _claim_names: { groups: 'src1' } }],
  ])('is refused where the groups are %s', async (_what, claims) => {
    await expect(world.logIn(claims)).rejects.toEqual(withCode('login_rejected'));
  });
});

describe('trouble at the provider', () => {
  test('its refusal is quoted, without control characters', async () => {
    const { state } = await world.start();
    const url = world.callback({ state, error: 'access_denied', error_description: '<b>no\u001b[31m</b>' });
    url.searchParams.delete('code');
    const error = await world.provider.finishLogin(url, browserSecret).catch((caught) => caught);
    expect(error).toMatchObject({ code: 'login_rejected' });
    expect(error.message).toContain('access_denied ("<b>no?[31m</b>")');
    expect(purposeOfFailure(error)).toEqual({ kind: 'helper' });
  });

  test('its own error is an outage', async () => {
    const { state } = await world.start();
    const url = world.callback({ state, error: 'temporarily_unavailable' });
    await expect(world.provider.finishLogin(url, browserSecret)).rejects.toEqual(
      withCode('login_provider_error'),
    );
  });

  test('a code that it does not know is a refusal', async () => {
    const { state } = await world.start();
    world.forging.answer = (path, response) => {
      if (path !== '/token') return false;
      response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"invalid_grant"}');
      return true;
    };
    await expect(world.provider.finishLogin(world.callback({ state }), browserSecret)).rejects.toEqual(
      withCode('login_rejected'),
    );
  });

  test('being away is said, and a later login works', async () => {
    world.forging.answer = (_path, response) => {
      response.destroy();
      return true;
    };
    await expect(world.start()).rejects.toEqual(withCode('login_provider_error'));
    world.forging.answer = null;
    expect((await world.logIn()).subject).toBe('subject-1');
  });

  test('no message or detail holds a token or a secret', async () => {
    const error = await world.logIn({ aud: 'other' }).catch((caught) => caught);
    const said = JSON.stringify([error.message, error.detail]);
    expect(said).not.toMatch(/eyJ|top secret|a-code/);
  });
});

describe('the settings', () => {
  test.each([
    'http://login.example.com',
    'http://127.0.0.1.evil.test',
    'ftp://127.0.0.1',
    'https://u:p@example.com',
  ])('refuse the issuer %s', (issuer) => {
    expect(() => createIdentityProvider(world.parts({ issuer }))).toThrow(withCode('login_provider_error'));
  });

  test('refuse http on loopback unless it is allowed', () => {
    expect(() => createIdentityProvider(world.parts({}, { allowInsecureLoopback: false }))).toThrow(
      withCode('login_provider_error'),
    );
  });

  test.each(['javascript:alert(1)', 'http://evil.test/login', 'not a url'])(
    'refuse a provider whose login page is at %s',
    async (authorization_endpoint) => {
      world.forging.metadata = { authorization_endpoint };
      await expect(world.start()).rejects.toEqual(withCode('login_provider_error'));
    },
  );

  test('refuse a provider that calls itself something else', async () => {
    world.forging.metadata = { issuer: 'https://other.example.com' };
    await expect(world.start()).rejects.toEqual(withCode('login_provider_error'));
  });
});
