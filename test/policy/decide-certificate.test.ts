import { describe, expect, it } from 'vitest';
import { type CertificateFacts, decideCertificate } from '../../src/policy/decide-certificate.ts';
import { reason, stepUpFor } from '../../src/policy/reasons.ts';
import { bob, example, loggedIn, nowSeconds, session } from './sample-facts.ts';

function decide(changed: Partial<CertificateFacts> = {}) {
  return decideCertificate({ account: bob, organization: example, session, ...changed }, nowSeconds);
}

function codes(changed: Partial<CertificateFacts>): string[] {
  const decision = decide(changed);
  return decision.allowed ? [] : decision.reasons.map(({ code }) => code);
}

describe('decideCertificate', () => {
  it('names the account, and the account with MFA, for an hour from a minute ago', () => {
    expect(decide()).toEqual({
      allowed: true,
      principals: ['bob@example.com', 'mfa:bob@example.com'],
      validAfterSeconds: nowSeconds - 60,
      validBeforeSeconds: nowSeconds + 3600,
      extensions: ['permit-port-forwarding', 'permit-pty'],
      mfa: true,
      verifyRequired: false,
    });
  });

  it('names the account alone after a login without MFA', () => {
    expect(decide({ session: loggedIn({ mfa: false }) })).toMatchObject({
      principals: ['bob@example.com'],
      mfa: false,
    });
  });

  it.each(['token', 'ci', 'hop'] as const)('never gives MFA to a session of mode %s', (mode) => {
    expect(decide({ session: { ...session, mode } })).toMatchObject({
      principals: ['bob@example.com'],
      mfa: false,
    });
  });

  it('names MFA only if it stays fresh enough to the last second of the certificate', () => {
    const organization = { ...example, mfaMaxAgeSeconds: 7200 };
    const untilTheEnd = loggedIn({ authTimeSeconds: nowSeconds - 3600 });
    const oneSecondShort = loggedIn({ authTimeSeconds: nowSeconds - 3601 });
    expect(decide({ organization, session: untilTheEnd })).toMatchObject({
      principals: ['bob@example.com', 'mfa:bob@example.com'],
    });
    expect(decide({ organization, session: oneSecondShort })).toMatchObject({
      principals: ['bob@example.com'],
      mfa: true,
    });
  });

  it('does not vouch for MFA that is too old already', () => {
    const organization = { ...example, mfaMaxAgeSeconds: 300 };
    expect(decide({ organization })).toMatchObject({ principals: ['bob@example.com'], mfa: false });
  });

  it('ends with the session [abuse 23]', () => {
    const ending = { ...session, expiresAtSeconds: nowSeconds + 600 };
    expect(decide({ session: ending })).toMatchObject({ validBeforeSeconds: nowSeconds + 600 });
  });

  it('refuses when too little of the session is left', () => {
    expect(codes({ session: { ...session, expiresAtSeconds: nowSeconds + 120 } })).toEqual([]);
    expect(codes({ session: { ...session, expiresAtSeconds: nowSeconds + 119 } })).toEqual([
      'session_ending',
    ]);
  });

  it('refuses an ended and an expired session', () => {
    expect(codes({ session: { ...session, ended: true } })).toEqual(['session_ended']);
    expect(codes({ session: { ...session, expiresAtSeconds: nowSeconds } })).toEqual(['session_expired']);
    expect(codes({ session: { ...session, expiresAtSeconds: Number.NaN } })).toEqual(['session_expired']);
  });

  it('refuses a disabled account', () => {
    expect(codes({ account: { ...bob, disabled: true } })).toEqual(['account_disabled']);
  });

  it('refuses where the organization has switched SSH off', () => {
    expect(codes({ organization: { ...example, sshEnabled: false } })).toEqual(['ssh_disabled']);
  });

  it.each(['', 'root', 'bob@example.com,root', 'Bob@example.com', '*'])(
    '[abuse 7] [abuse 12] refuses an account named %j: no certificate without a good principal',
    (name) => {
      expect(codes({ account: { ...bob, name } })).toEqual(['account_name_invalid']);
    },
  );

  it('names two principals at most [abuse 9], however many groups the account is in', () => {
    const groups = Array.from({ length: 1000 }, (_, number) => `group${number}`);
    expect(decide({ account: { ...bob, groups } })).toMatchObject({
      principals: ['bob@example.com', 'mfa:bob@example.com'],
    });
  });
});

describe('an organization that requires a second factor', () => {
  const strict = { ...example, mfaRequired: true };
  const codesFor = (more: { organization?: typeof example; session?: typeof session }) => {
    const decision = decideCertificate({ account: bob, organization: strict, session, ...more }, nowSeconds);
    return decision.allowed ? [] : decision.reasons.map(({ code, parameters }) => ({ code, parameters }));
  };

  it('gives no certificate without one, and says what login is wanted', () => {
    expect(codesFor({ session: loggedIn({ mfa: false }) })).toEqual([
      { code: 'mfa_missing', parameters: { amr: ['mfa'] } },
    ]);
    expect(codesFor({})).toEqual([]);
  });

  it('gives none with one that is too old, by the time of the factor', () => {
    const organization = { ...strict, mfaMaxAgeSeconds: 900 };
    const old = loggedIn({ authTimeSeconds: nowSeconds - 901 });
    const wanted = [{ code: 'mfa_too_old', parameters: { amr: ['mfa'], max_age: 900 } }];
    expect(codesFor({ organization, session: old })).toEqual(wanted);
    const renewed = loggedIn({ authTimeSeconds: nowSeconds - 901, mfaTimeSeconds: nowSeconds - 5 });
    expect(codesFor({ organization, session: renewed })).toEqual([]);
  });

  it('takes only the sources and methods that it names', () => {
    const missing = [expect.objectContaining({ code: 'mfa_missing' })];
    expect(codesFor({ organization: { ...strict, mfaSources: ['passkey'] } })).toEqual(missing);
    expect(codesFor({ organization: { ...strict, mfaMethods: ['hwk', 'fpt'] } })).toEqual(missing);
    expect(codesFor({ organization: { ...strict, mfaMethods: ['otp'] } })).toEqual([]);
    const passkey = loggedIn({ mfaBy: 'passkey', mfaMethods: ['hwk', 'user', 'mfa'] });
    expect(codesFor({ organization: { ...strict, mfaSources: ['passkey'] }, session: passkey })).toEqual([]);
  });

  it('asks machines for none; another switch bars them', () => {
    expect(codesFor({ session: { ...session, mode: 'ci' } })).toEqual([]);
    const barred = { ...example, machineAccess: false };
    expect(codesFor({ organization: barred, session: { ...session, mode: 'token' } })).toEqual([
      { code: 'machines_refused', parameters: undefined },
    ]);
    expect(codesFor({ organization: barred })).toEqual([]);
  });

  it('a second factor that it does not take is not in the certificate of who needs none', () => {
    const organization = { ...example, mfaSources: ['passkey'] as const };
    expect(decideCertificate({ account: bob, organization, session }, nowSeconds)).toMatchObject({
      allowed: true,
      mfa: false,
      principals: [bob.name],
    });
  });
});

describe('stepUpFor', () => {
  const missing = { ...reason('mfa_missing', 'organization', 'example'), parameters: { amr: ['mfa'] } };
  const old = { ...reason('mfa_too_old', 'organization', 'example', 900), parameters: { max_age: 900 } };

  it('says in the words of RFC 9470 what is wanting, if it is only that', () => {
    expect(stepUpFor([missing])).toEqual({ acr_values: 'mfa' });
    expect(stepUpFor([missing, old])).toEqual({ acr_values: 'mfa', max_age: 900 });
    expect(stepUpFor([old, reason('session_ended')])).toBeUndefined();
  });
});
