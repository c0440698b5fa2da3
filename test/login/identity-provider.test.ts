import { generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  createIdentityProvider,
  type IdentityProviderParts,
} from '../../src/login/create-identity-provider.ts';
import { type IdentityProvider, purposeOfFailure } from '../../src/login/identity-provider.ts';
import type { ProviderSettings } from '../../src/login/provider-settings.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { type ForgingProvider, startForgingProvider } from './forging-provider.ts';

const clientId = 'sallyport';
const redirectUri = new URL('https://ssh.example.com/login/callback');
const browserSecret = 'login_of-this-browser';

let database: FreshDatabase;
let forging: ForgingProvider;
let provider: IdentityProvider;
let ownKeys: ForgingProvider['keys'];
let offsetSeconds = 0;

/** What a provider's settings are, and whatever else of its making a test wants otherwise. */
function parts(
  settings: Partial<ProviderSettings> = {},
  change: Partial<IdentityProviderParts> = {},
): IdentityProviderParts {
  return {
    slug: 'okta',
    settings: {
      name: 'Acme Okta',
      preset: 'generic',
      issuer: forging.issuer,
      clientId,
      scopes: ['openid', 'email'],
      organization: 'acme',
      claims: { account: '{email}', name: 'name', groups: 'groups' },
      trustEmail: false,
      emailDomains: null,
      requiredClaims: {},
      groups: { prefix: '', overage: 'refuse' },
      assurance: {
        amr: { mfa: ['mfa'], hwk: ['hwk'], pwd: ['pwd'] },
        multiFactorAmr: [['mfa'], ['hwk']],
        multiFactorAcr: [],
        stepUp: null,
      },
      upstream: { refresh: 'when-offered' },
      maxAge: true,
      ...settings,
    },
    clientSecret: 'top secret',
    redirectUri,
    allowInsecureLoopback: true,
    clock: () => new Date(Date.now() + offsetSeconds * 1000),
    database,
    ...change,
  };
}

beforeAll(async () => {
  database = await freshDatabase();
  forging = await startForgingProvider(clientId);
  ownKeys = forging.keys;
});
afterAll(async () => {
  await forging.close();
  await database.close();
});
beforeEach(() => {
  offsetSeconds = 0;
  Object.assign(forging, { metadata: {}, claims: {}, sign: null, userinfo: null, answer: null });
  forging.keys = [...ownKeys];
  forging.redeemed.length = 0;
  forging.requests.length = 0;
  provider = createIdentityProvider(parts());
});

interface Started {
  readonly url: URL;
  readonly state: string;
}
async function start(more: { fresh?: boolean; maxAgeSeconds?: number } = {}): Promise<Started> {
  const url = await provider.startLogin({ purpose: { kind: 'helper' }, browserSecret, ...more });
  forging.nonce = url.searchParams.get('nonce') ?? '';
  return { url, state: url.searchParams.get('state') ?? '' };
}
function callback(parameters: Record<string, string>): URL {
  const url = new URL(redirectUri);
  url.search = new URLSearchParams({ iss: forging.issuer, code: 'a-code', ...parameters }).toString();
  return url;
}
async function logIn(claims: Record<string, unknown> = {}) {
  const { state } = await start();
  forging.claims = claims;
  return await provider.finishLogin(callback({ state }), browserSecret);
}
const now = () => Math.floor(Date.now() / 1000);
const code = (expected: string) => expect.objectContaining({ code: expected });

test('a login is asked for with PKCE, state, nonce and max_age', async () => {
  const { url } = await start();
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
  const result = await logIn();
  expect(result).toEqual({
    provider: { slug: 'okta', name: 'Acme Okta' },
    issuer: forging.issuer,
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
    idToken: expect.stringMatching(/^eyJ/),
    startedAt: expect.any(Date),
    purpose: { kind: 'helper' },
    organizationSlug: 'acme',
  });
  expect(forging.redeemed[0]?.get('code_verifier')).toMatch(/^[\w-]{43}$/);
  expect(forging.redeemed[0]?.get('redirect_uri')).toBe(redirectUri.href);
});

test('neither state nor browser secret stands in the table', async () => {
  const { state } = await start();
  const table = JSON.stringify(await database.db.selectFrom('login_states').selectAll().execute());
  expect(table).not.toContain(state);
  expect(table).not.toContain(browserSecret);
});

describe('[abuse 57] the state', () => {
  test.each([
    ['missing', () => new URL(`${redirectUri}?code=a-code`)],
    ['empty', () => callback({ state: '' })],
    ['unknown', () => callback({ state: 'x'.repeat(43) })],
    ['given twice', (state: string) => new URL(`${callback({ state })}&state=${state}`)],
    ['changed in one character', (state: string) => callback({ state: `${state.slice(0, -1)}~` })],
  ])('%s is refused', async (_what, url) => {
    const { state } = await start();
    await expect(provider.finishLogin(url(state), browserSecret)).rejects.toEqual(
      code('login_state_invalid'),
    );
    expect(forging.redeemed).toHaveLength(0);
  });

  test.each([undefined, '', 'login_of-another-browser'])(
    'of this browser is refused in the browser %j, and still good in its own',
    async (other) => {
      const { state } = await start();
      await expect(provider.finishLogin(callback({ state }), other)).rejects.toEqual(
        code('login_state_invalid'),
      );
      await provider.finishLogin(callback({ state }), browserSecret);
    },
  );

  test('is good once, even for ten replies at the same moment', async () => {
    const { state } = await start();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, () => provider.finishLogin(callback({ state }), browserSecret)),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(forging.redeemed).toHaveLength(1);
  });

  test('is good for a quarter of an hour', async () => {
    const { state } = await start();
    offsetSeconds = 15 * 60;
    await expect(provider.finishLogin(callback({ state }), browserSecret)).rejects.toEqual(
      code('login_state_invalid'),
    );
  });
});

describe('an ID token', () => {
  const refused = async (claims: Record<string, unknown>) =>
    await expect(logIn(claims)).rejects.toEqual(code('login_rejected'));

  test.each([
    ['with a slash more', () => `${forging.issuer}/`],
    ['in upper case', () => forging.issuer.toUpperCase()],
    ['of a sibling', () => 'http://127.0.0.1:1'],
    ['missing', () => undefined],
  ])('[abuse 53] whose issuer is %s is refused', async (_what, iss) => {
    await refused({ iss: iss() });
  });

  test.each([
    ['for another client', { aud: 'other' }],
    ['for us and another without azp', { aud: [clientId, 'other'] }],
    ['for us and another with its azp', { aud: [clientId, 'other'], azp: 'other' }],
    ['without audience', { aud: undefined }],
  ])('[abuse 54] %s is refused', async (_what, claims) => {
    await refused(claims);
  });

  test.each([
    ['expired', () => ({ exp: now() - 120 })],
    ['without end', () => ({ exp: undefined })],
    ['without issue time', () => ({ iat: undefined })],
    ['without subject', () => ({ sub: undefined })],
    ['from the future', () => ({ iat: now() + 600 })],
    ['not valid yet', () => ({ nbf: now() + 600 })],
    ['with times as text', () => ({ exp: '9999999999' })],
  ])('[abuse 55] %s is refused', async (_what, claims) => {
    await refused(claims());
  });

  test.each([
    ['missing', undefined],
    ['another', 'x'],
    ['empty', ''],
  ])('[abuse 56] whose nonce is %s is refused', async (_what, nonce) => {
    await refused({ nonce });
  });

  test('[abuse 56] with the nonce of an earlier login is refused', async () => {
    const { url } = await start();
    await refused({ nonce: url.searchParams.get('nonce') });
  });

  test.each(['none', 'None', 'NONE', 'nOnE'])('[abuse 49] with alg %s is refused', async (alg) => {
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    for (const signature of ['', 'AAAA']) {
      forging.sign = (claims) => `${part({ alg })}.${part(claims)}.${signature}`;
      await refused({});
    }
  });

  test('[abuse 50] signed with the public key as a shared secret is refused', async () => {
    const jwks = await (await fetch(`${forging.issuer}/jwks`)).text();
    forging.sign = (claims: JWTPayload) =>
      new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'honest' }).sign(Buffer.from(jwks));
    await refused({});
  });

  test('[abuse 51] that brings its own key is refused', async () => {
    const own = await generateKeyPair('ES256', { extractable: true });
    const { exportJWK } = await import('jose');
    const jwk = await exportJWK(own.publicKey);
    for (const header of [{ jwk }, { jku: 'http://127.0.0.1:1/jwks' }, { x5u: 'http://127.0.0.1:1/x' }]) {
      forging.sign = (claims: JWTPayload) =>
        new SignJWT(claims)
          .setProtectedHeader({ alg: 'ES256', kid: 'honest', ...header })
          .sign(own.privateKey);
      await refused({});
    }
  });

  test('with a changed byte is refused', async () => {
    forging.sign = async (claims) => {
      const [header, , signature] = (await forging.honestSign(claims)).split('.');
      const changed = Buffer.from(JSON.stringify({ ...claims, sub: 'somebody' })).toString('base64url');
      return `${header}.${changed}.${signature}`;
    };
    await refused({});
  });

  test.each([
    ['missing', undefined],
    ['as text', String(now())],
    ['in the future', now() + 600],
    ['older than max_age', now() - 13 * 3600],
  ])('[abuse 68] whose auth_time is %s is refused', async (_what, auth_time) => {
    await refused({ auth_time });
  });
});

describe('[abuse 58] the issuer in the reply', () => {
  test.each([
    ['of another provider', 'https://other.example.com'],
    ['with a slash more', `http://127.0.0.1/`],
  ])('%s is refused before the code is redeemed', async (_what, iss) => {
    const { state } = await start();
    await expect(provider.finishLogin(callback({ state, iss }), browserSecret)).rejects.toEqual(
      code('login_rejected'),
    );
    expect(forging.redeemed).toHaveLength(0);
  });

  test('missing, where the provider promised it, is refused', async () => {
    const { state } = await start();
    const url = callback({ state });
    url.searchParams.delete('iss');
    await expect(provider.finishLogin(url, browserSecret)).rejects.toEqual(code('login_rejected'));
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
    ['nothing', undefined, false],
  ])('[abuse 69] amr with %s', async (_what, amr, mfa) => {
    expect((await logIn({ amr })).mfa).toBe(mfa);
  });

  test('is not taken from the userinfo endpoint', async () => {
    forging.userinfo = { sub: 'subject-1', amr: ['mfa'], acr: 'high', name: 'Alice' };
    const result = await logIn({ amr: undefined, name: undefined });
    expect(result).toMatchObject({ mfa: false, amr: [], acr: null, displayName: 'Alice' });
  });
});

describe('a fresh login', () => {
  test('is asked for with prompt=login', async () => {
    const { url } = await start({ fresh: true, maxAgeSeconds: 300 });
    expect(url.searchParams.get('prompt')).toBe('login');
    expect(url.searchParams.get('max_age')).toBe('300');
  });

  test('[abuse 70] is not satisfied by an older one', async () => {
    const { state } = await start({ fresh: true });
    forging.claims = { auth_time: now() - 600 };
    await expect(provider.finishLogin(callback({ state }), browserSecret)).rejects.toEqual(
      code('login_rejected'),
    );
  });
});

describe('who the person is', () => {
  test('comes from the userinfo endpoint where the ID token is thin', async () => {
    forging.userinfo = { sub: 'subject-1', email: 'alice@acme.test', name: 'Alice', groups: ['admins'] };
    const result = await logIn({ email: undefined, name: undefined, groups: undefined });
    expect(result).toMatchObject({ accountName: 'alice@acme.test', groups: ['admins'] });
  });

  test('[abuse 73] is not taken from the userinfo of somebody else', async () => {
    forging.userinfo = { sub: 'subject-2', email: 'mallory@acme.test' };
    await expect(logIn({ email: undefined })).rejects.toEqual(code('login_rejected'));
  });

  test.each([false, 'false', 0, null])('is refused for an e-mail address whose flag is %j', async (flag) => {
    await expect(logIn({ email_verified: flag })).rejects.toEqual(code('login_rejected'));
  });

  test.each(['Alice@Acme.test', 'alice@acme.test'])('is one name, however %s is written', async (email) => {
    expect((await logIn({ email })).accountName).toBe('alice@acme.test');
  });

  test.each(['alice', 'a@b@acme.test', 'alice,root@acme.test', 'al ice@acme.test', 'älice@acme.test', ''])(
    'is refused for the account name "%s"',
    async (email) => {
      await expect(logIn({ email })).rejects.toEqual(code('name_refused'));
    },
  );

  test('is refused without the claim that names the account', async () => {
    await expect(logIn({ email: undefined })).rejects.toEqual(code('login_rejected'));
  });

  test('has no groups where the provider says none', async () => {
    expect((await logIn({ groups: undefined })).groups).toEqual([]);
  });

  test.each([
    ['text', { groups: 'admins' }],
    ['a list of other things', { groups: ['a', 1] }],
    ['[abuse 71] elsewhere', { groups: undefined, _claim_names: { groups: 'src1' } }],
  ])('is refused where the groups are %s', async (_what, claims) => {
    await expect(logIn(claims)).rejects.toEqual(code('login_rejected'));
  });
});

describe('trouble at the provider', () => {
  test('its refusal is quoted, without control characters', async () => {
    const { state } = await start();
    const url = callback({ state, error: 'access_denied', error_description: '<b>no\u001b[31m</b>' });
    url.searchParams.delete('code');
    const error = await provider.finishLogin(url, browserSecret).catch((caught) => caught);
    expect(error).toMatchObject({ code: 'login_rejected' });
    expect(error.message).toContain('access_denied ("<b>no?[31m</b>")');
    expect(purposeOfFailure(error)).toEqual({ kind: 'helper' });
  });

  test('its own error is an outage', async () => {
    const { state } = await start();
    const url = callback({ state, error: 'temporarily_unavailable' });
    await expect(provider.finishLogin(url, browserSecret)).rejects.toEqual(code('login_provider_error'));
  });

  test('a code that it does not know is a refusal', async () => {
    const { state } = await start();
    forging.answer = (path, response) => {
      if (path !== '/token') return false;
      response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"invalid_grant"}');
      return true;
    };
    await expect(provider.finishLogin(callback({ state }), browserSecret)).rejects.toEqual(
      code('login_rejected'),
    );
  });

  test('being away is said, and a later login works', async () => {
    forging.answer = (_path, response) => {
      response.destroy();
      return true;
    };
    await expect(start()).rejects.toEqual(code('login_provider_error'));
    forging.answer = null;
    expect((await logIn()).subject).toBe('subject-1');
  });

  test('no message or detail holds a token or a secret', async () => {
    const error = await logIn({ aud: 'other' }).catch((caught) => caught);
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
    expect(() => createIdentityProvider(parts({ issuer }))).toThrow(code('login_provider_error'));
  });

  test('refuse http on loopback unless it is allowed', () => {
    expect(() => createIdentityProvider(parts({}, { allowInsecureLoopback: false }))).toThrow(
      code('login_provider_error'),
    );
  });

  test.each(['javascript:alert(1)', 'http://evil.test/login', 'not a url'])(
    'refuse a provider whose login page is at %s',
    async (authorization_endpoint) => {
      forging.metadata = { authorization_endpoint };
      await expect(start()).rejects.toEqual(code('login_provider_error'));
    },
  );

  test('refuse a provider that calls itself something else', async () => {
    forging.metadata = { issuer: 'https://other.example.com' };
    await expect(start()).rejects.toEqual(code('login_provider_error'));
  });
});
