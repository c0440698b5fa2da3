import { describe, expect, it } from 'vitest';
import { type CertificateFacts, decideCertificate } from '../../src/policy/decide-certificate.ts';
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
