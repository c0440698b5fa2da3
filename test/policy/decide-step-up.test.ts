import { describe, expect, it } from 'vitest';
import { decideStepUp, stepUpSeconds } from '../../src/policy/decide-step-up.ts';
import { example, loggedIn, nowSeconds, session } from './sample-facts.ts';

const strict = { ...example, mfaRequired: true };
const decide = (facts: Partial<Parameters<typeof decideStepUp>[0]>) =>
  decideStepUp({ session, organization: strict, always: false, ...facts }, nowSeconds);

describe('decideStepUp', () => {
  it('wants nothing where the organization requires no second factor', () => {
    expect(decide({ organization: example, session: loggedIn({ mfa: false }) })).toEqual({ allowed: true });
  });

  it('wants it all the same where it is always wanted', () => {
    expect(decide({ organization: example, session: loggedIn({ mfa: false }), always: true })).toEqual({
      allowed: false,
      wanting: 'mfa',
      maxAgeSeconds: stepUpSeconds,
    });
  });

  it('is content with a second factor of the last 15 minutes', () => {
    expect(decide({})).toEqual({ allowed: true });
    expect(decide({ session: loggedIn({ authTimeSeconds: nowSeconds - 901 }) })).toMatchObject({
      wanting: 'newer_mfa',
    });
  });

  it('takes the time of the second factor, not of the login', () => {
    const old = { authTimeSeconds: nowSeconds - 9000 };
    expect(decide({ session: loggedIn({ ...old, mfaTimeSeconds: nowSeconds - 10 }) })).toEqual({
      allowed: true,
    });
  });

  it('asks for as fresh a one as the organization does', () => {
    const organization = { ...strict, mfaMaxAgeSeconds: 60 };
    expect(decide({ organization })).toEqual({ allowed: false, wanting: 'newer_mfa', maxAgeSeconds: 60 });
  });

  it('takes only the sources and methods that the organization takes', () => {
    expect(decide({ organization: { ...strict, mfaSources: ['passkey'] } })).toMatchObject({
      wanting: 'mfa',
    });
    expect(decide({ organization: { ...strict, mfaMethods: ['hwk'] } })).toMatchObject({ wanting: 'mfa' });
    expect(decide({ organization: { ...strict, mfaMethods: ['otp'] } })).toEqual({ allowed: true });
  });

  it('takes nothing from a machine', () => {
    expect(decide({ session: { ...session, mode: 'token' } })).toMatchObject({ wanting: 'mfa' });
  });
});
