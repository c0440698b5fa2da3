import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import * as client from 'openid-client';
import { Secret, TOTP } from 'otpauth';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type RunningIdentityProvider, startIdentityProvider } from '../../src/dev/identity-provider.ts';
import { createLoginCheck } from '../../src/dev/identity-provider-login.ts';
import { errorPage, loginPage } from '../../src/dev/identity-provider-pages.ts';
import { createDemoPeople } from '../../src/dev/identity-provider-people.ts';
import { Browser } from '../../src/dev/tour/browser.ts';
import { type LandingPlace, openLandingPlace } from '../login/landing-place.ts';

const people = createDemoPeople();
const [alice, , carol] = people as [(typeof people)[0], (typeof people)[0], (typeof people)[0]];

describe('demo people', () => {
  test('have random passwords and seeds, and carol has no seed', () => {
    const again = createDemoPeople();
    for (const [index, person] of people.entries()) {
      expect(person.password).toMatch(/^[a-z2-9]{4}(-[a-z2-9]{4}){3}$/);
      expect(person.password).not.toBe(again[index]?.password);
      if (person.otpSecret) expect(person.otpSecret).not.toBe(again[index]?.otpSecret);
    }
    expect(people.map((person) => person.otpSecret === null)).toEqual([false, false, true]);
  });
});

describe('the check of password and one-time code', () => {
  let now = new Date('2026-01-02T03:04:05Z');
  const clock = () => now;
  const codeAt = (at: Date) =>
    new TOTP({ secret: Secret.fromBase32(alice.otpSecret ?? '') }).generate({ timestamp: at.getTime() });
  const form = (otp: string, password = alice.password) => ({ username: 'alice', password, otp });
  let check: ReturnType<typeof createLoginCheck>;
  beforeEach(() => {
    now = new Date('2026-01-02T03:04:05Z');
    check = createLoginCheck(people, clock);
  });

  test('accepts the right pair and says how', async () => {
    expect(await check.check(form(codeAt(now)))).toMatchObject({
      accepted: true,
      amr: ['pwd', 'otp', 'mfa'],
    });
    expect(await check.check({ username: 'carol', password: carol.password, otp: '' })).toMatchObject({
      accepted: true,
      amr: ['pwd'],
    });
  });

  test.each([
    ['no code', ''],
    ['a wrong code', '000000'],
    ['a code with too many digits', '0000001'],
  ])('refuses %s of a person who has codes', async (_what, otp) => {
    expect(await check.check(form(otp))).toMatchObject({ accepted: false });
  });

  test('refuses a code that was used', async () => {
    const code = codeAt(now);
    expect(await check.check(form(code))).toMatchObject({ accepted: true });
    expect(await check.check(form(code))).toMatchObject({ accepted: false });
  });

  test('accepts one code once, even when it is sent twice at the same moment', async () => {
    const verdicts = await Promise.all([check.check(form(codeAt(now))), check.check(form(codeAt(now)))]);
    expect(verdicts.filter((verdict) => verdict.accepted)).toHaveLength(1);
  });

  test('shows the next code when the current one is used, and none when three are', async () => {
    const shown = () => check.currentCodes()[0];
    for (const ahead of [0, 30, 60]) {
      const code = codeAt(new Date(now.getTime() + ahead * 1000));
      expect(shown()).toEqual({ username: 'alice', code, secondsLeft: 25 + ahead });
      expect(await check.check(form(code))).toMatchObject({ accepted: true });
    }
    expect(shown()).toEqual({ username: 'alice', code: null, secondsLeft: 25 });
    now = new Date(now.getTime() + 25_000);
    expect(await check.check(form(shown()?.code ?? ''))).toMatchObject({ accepted: true });
  });

  test('refuses everything for a minute after five failures', async () => {
    for (let attempt = 0; attempt < 5; attempt += 1) await check.check(form('', 'wrong'));
    const locked = await check.check(form(codeAt(now)));
    expect(locked).toEqual({
      accepted: false,
      message: 'Too many failed attempts. Try again in 60 seconds.',
    });
    now = new Date(now.getTime() + 60_000);
    expect(await check.check(form(codeAt(now)))).toMatchObject({ accepted: true });
  });

  test('refuses a name that nobody has with the same words as a wrong password', async () => {
    const unknown = await check.check({ username: 'mallory', password: 'x', otp: '' });
    expect(unknown).toEqual(await check.check(form('', 'wrong')));
  });
});

test('pages escape what they are given', () => {
  const evil = '"><script>alert(1)</script>';
  const page = loginPage({
    action: evil,
    service: evil,
    username: evil,
    problem: evil,
    people: [{ username: evil, name: evil }],
    codes: [{ username: evil, code: evil, secondsLeft: 1 }],
  });
  expect(page + errorPage(evil, evil)).not.toContain('<script');
});

describe('the running identity provider', () => {
  let landing: LandingPlace;
  let redirectUri: string;
  let idp: RunningIdentityProvider;
  let config: client.Configuration;
  beforeAll(async () => {
    landing = await openLandingPlace();
    redirectUri = `http://127.0.0.1:${landing.port}/login/callback`;
    idp = await startIdentityProvider({
      port: 0,
      host: '127.0.0.1',
      clients: [{ clientId: 'sallyport', clientSecret: 'secret', redirectUris: [redirectUri] }],
      people,
      clock: () => new Date(),
    });
    config = await client.discovery(
      new URL(idp.issuer),
      'sallyport',
      undefined,
      client.ClientSecretBasic('secret'),
      { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] },
    );
  });
  afterAll(async () => {
    await idp.close();
    await landing.close();
  });

  const verifier = client.randomPKCECodeVerifier();
  async function authorizationUrl(): Promise<URL> {
    return client.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      scope: 'openid profile email',
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state: 's',
      nonce: 'n',
    });
  }

  /** Logs in on the page and returns where the browser is sent in the end. */
  async function callbackOf(browser: Browser, person: typeof alice): Promise<URL> {
    return (await browser.signIn(await authorizationUrl(), person)).url;
  }

  test('logs alice in with both factors and says so in the ID token', async () => {
    const callback = await callbackOf(new Browser(), alice);
    const tokens = await client.authorizationCodeGrant(config, callback, {
      pkceCodeVerifier: verifier,
      expectedState: 's',
      expectedNonce: 'n',
    });
    const claims = tokens.claims();
    expect(claims).toMatchObject({
      sub: 'alice',
      name: 'Alice Admin',
      email: 'alice@acme.test',
      preferred_username: 'alice',
      groups: ['admins'],
      amr: ['pwd', 'otp', 'mfa'],
    });
    expect(Math.abs(Number(claims?.auth_time) - Date.now() / 1000)).toBeLessThan(60);
  });

  test('says of carol that she has shown a password only', async () => {
    const callback = await callbackOf(new Browser(), carol);
    const tokens = await client.authorizationCodeGrant(config, callback, {
      pkceCodeVerifier: verifier,
      expectedState: 's',
      expectedNonce: 'n',
    });
    expect(tokens.claims()).toMatchObject({ sub: 'carol', amr: ['pwd'], groups: ['contributors'] });
  });

  test('lets another person log in from the same browser right after', async () => {
    const same = new Browser();
    expect((await callbackOf(same, carol)).searchParams.get('code')).toBeTruthy();
    const page = await same.open(await authorizationUrl());
    expect(page.text).toContain('name="password"');
    expect((await callbackOf(same, alice)).searchParams.get('code')).toBeTruthy();
  });

  test('shows codes and never passwords or seeds', async () => {
    const { text } = await new Browser().open(await authorizationUrl());
    expect(text).toMatch(/data-one-time-code-of="bob">[0-9]{6}</);
    expect(text).toContain('This is a demo');
    for (const person of people) {
      expect(text).not.toContain(person.password);
      if (person.otpSecret) expect(text).not.toContain(person.otpSecret);
    }
  });

  test('allows no script on its pages', async () => {
    const response = await fetch(`${idp.issuer}/login/none`);
    const policy = response.headers.get('content-security-policy');
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
    expect(policy).not.toContain('script-src');
  });

  test('answers a login that this browser did not start with a plain page', async () => {
    const { url } = await new Browser().open(await authorizationUrl());
    const other = await new Browser().open(url);
    expect(other.status).toBe(400);
    expect(other.text).toContain('started in another browser');
  });

  test.each([
    ['no origin', {}],
    ['a foreign origin', { origin: 'http://evil.test' }],
    ['another port of this machine', { origin: 'http://127.0.0.1:1' }],
    ['no origin in the end', { origin: 'null' }],
    ['a cross-site mark', { origin: '', 'sec-fetch-site': 'cross-site' }],
  ])('refuses a form with %s', async (_what, headers) => {
    const response = await fetch(`${idp.issuer}/login/abc`, {
      method: 'POST',
      headers: { ...headers, ...('sec-fetch-site' in headers ? { origin: idp.issuer } : {}) },
      body: new URLSearchParams({ username: 'alice', password: alice.password, otp: '' }),
    });
    expect(response.status).toBe(403);
  });

  test.each(['localhost', 'evil.test', '127.0.0.1'])('refuses the host name %s', async (host) => {
    const { port } = new URL(idp.issuer);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const named = host === '127.0.0.1' ? host : `${host}:${port}`;
      httpRequest(`${idp.issuer}/.well-known/openid-configuration`, { headers: { host: named } })
        .on('response', (response) => resolve(response.resume().statusCode))
        .on('error', reject)
        .end();
    });
    expect(status).toBe(421);
  });

  test.each(['//', '/\\', '//:', 'http://['])(
    'outlives the request target %s, which is no URL',
    async (target) => {
      const { host, hostname, port } = new URL(idp.issuer);
      const socket = connect(Number(port), hostname);
      socket.end(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      expect(await text(socket)).toMatch(/^HTTP\/1\.1 [45]0/);
    },
  );

  test('says that its port is taken', async () => {
    const port = Number(new URL(idp.issuer).port);
    const second = startIdentityProvider({
      port,
      host: '127.0.0.1',
      clients: [],
      people,
      clock: () => new Date(),
    });
    await expect(second).rejects.toMatchObject({ code: 'in_use' });
  });
});
