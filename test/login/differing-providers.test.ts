import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Browser } from '../../src/dev/tour/browser.ts';
import { createIdentityProvider } from '../../src/login/create-identity-provider.ts';
import type { LoginStart } from '../../src/login/identity-provider.ts';
import type { LoginResult } from '../../src/login/login-result.ts';
import type { ProviderSettings } from '../../src/login/provider-settings.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { unixNow, withCode } from './forging-world.ts';
import { type LandingPlace, openLandingPlace } from './landing-place.ts';
import { startTestProvider, type TestProvider, type TestProviderOptions } from './test-provider.ts';

let database: FreshDatabase;
let landing: LandingPlace;
const opened: TestProvider[] = [];
beforeAll(async () => {
  database = await freshDatabase();
  landing = await openLandingPlace();
});
afterAll(async () => {
  for (const idp of opened) await idp.close();
  await landing.close();
  await database.close();
});

const people = [{ username: 'dora' }];
const browserSecret = 'login_of-this-browser';
const publicUrl = () => new URL(`http://127.0.0.1:${landing.port}`);
async function open(options: Partial<TestProviderOptions> = {}): Promise<TestProvider> {
  const idp = await startTestProvider({ people, publicUrl: publicUrl(), ...options });
  opened.push(idp);
  return idp;
}

/** Logins at `idp` by one person in one browser. */
function at(idp: TestProvider, settings: Partial<ProviderSettings> = {}) {
  const provider = createIdentityProvider({
    ...idp.configured(settings),
    redirectUri: new URL('/login/callback', publicUrl()),
    allowInsecureLoopback: true,
    clock: () => new Date(),
    database,
  });
  const browser = new Browser();
  return async (start: Partial<LoginStart> = {}): Promise<LoginResult> => {
    const url = await provider.startLogin({ purpose: { kind: 'helper' }, browserSecret, ...start });
    const { url: reply } = await idp.logIn(browser, url, 'dora');
    return await provider.finishLogin(reply, browserSecret);
  };
}

test.each(['ES256', 'RS256', 'PS256', 'EdDSA'] as const)(
  'a provider that signs with %s is understood, before and after it rotates its keys',
  async (signingAlg) => {
    const idp = await open({ signingAlg });
    const logIn = at(idp);
    expect((await logIn()).subject).toBe('dora');
    await idp.rotateKeys();
    expect((await logIn()).subject).toBe('dora');
  },
);

describe('a provider', () => {
  let idp: TestProvider;
  beforeAll(async () => {
    idp = await open();
  });
  const honest = { amr: ['pwd'], acr: null, authTimeOffsetSeconds: 0, clockSkewSeconds: 0, lyingAcr: false };
  beforeEach(() => Object.assign(idp.behaviour, honest, { requireStepUpAcr: null }));

  const trustingAcr: Partial<ProviderSettings> = {
    assurance: {
      amr: { otp: ['otp'] },
      multiFactorAmr: [],
      multiFactorAcr: ['urn:two'],
      stepUp: { acrValues: ['urn:two'] },
    },
  };
  const byAmr: Partial<ProviderSettings> = {
    assurance: {
      amr: { mfa: ['mfa'], otp: ['otp'] },
      multiFactorAmr: [['mfa']],
      multiFactorAcr: [],
      stepUp: { acrValues: ['urn:two'] },
    },
  };

  test.each([null, [], ['pwd'], ['sms']])('whose amr is %j vouches for no second factor', async (amr) => {
    idp.behaviour.amr = amr;
    expect(await at(idp)()).toMatchObject({ mfa: false, mfaMethods: [], amr: amr ?? [] });
  });

  test.each([-30, 30])('whose clock is %i seconds off is believed', async (seconds) => {
    idp.behaviour.clockSkewSeconds = seconds;
    expect((await at(idp)()).subject).toBe('dora');
  });

  test.each([-600, 600])('whose clock is %i seconds off is not', async (seconds) => {
    idp.behaviour.clockSkewSeconds = seconds;
    await expect(at(idp)()).rejects.toEqual(withCode('login_rejected'));
  });

  test('that repeats whatever acr was asked for proves nothing where its acr is not trusted', async () => {
    idp.behaviour.lyingAcr = true;
    const lied = await at(idp, byAmr)({ acrValues: ['urn:two'] });
    expect(lied).toMatchObject({ acr: 'urn:two', mfa: false, mfaMethods: [] });
  });

  test('steps up when it is asked to, and says so in its own words', async () => {
    idp.behaviour.requireStepUpAcr = 'urn:two';
    for (const settings of [trustingAcr, byAmr]) {
      const logIn = at(idp, settings);
      expect((await logIn()).mfa).toBe(false);
      const stepped = await logIn({ acrValues: ['urn:two'], fresh: true });
      expect(stepped).toMatchObject({ acr: 'urn:two', mfa: true, mfaMethods: ['mfa', 'otp'] });
    }
  });

  test('that remembers the person gives the time of that login; a fresh one gives a new time', async () => {
    const logIn = at(idp);
    const first = await logIn();
    expect((await logIn()).authTime).toEqual(first.authTime);
    expect((await logIn({ fresh: true })).authTime.getTime()).toBeGreaterThanOrEqual(
      first.authTime.getTime(),
    );
    expect(Math.abs(first.authTime.getTime() / 1000 - unixNow())).toBeLessThan(120);
  });

  test('[abuse 68] that says “mfa” of an older time than was asked for is refused, and so is one that says no time', async () => {
    idp.behaviour.amr = ['mfa'];
    idp.behaviour.authTimeOffsetSeconds = -600;
    await expect(at(idp)({ maxAgeSeconds: 300 })).rejects.toEqual(withCode('login_rejected'));
    await expect(at(idp)({ fresh: true })).rejects.toEqual(withCode('login_rejected'));
    expect((await at(idp)({ maxAgeSeconds: 900 })).subject).toBe('dora');
    idp.behaviour.authTimeOffsetSeconds = null;
    await expect(at(idp)()).rejects.toEqual(withCode('login_rejected'));
    expect(await at(idp, { maxAge: false })()).toMatchObject({ subject: 'dora', mfa: false });
  });
});
