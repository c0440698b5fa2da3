import { describe, expect, it } from 'vitest';
import { decideSshCode, type SshCodeFacts } from '../../src/policy/decide-ssh-code.ts';
import { bob, example, loggedIn, nowSeconds, session } from './sample-facts.ts';

const facts: SshCodeFacts = { account: bob, organization: example, session, sshCodes: true };

function codes(change: Partial<SshCodeFacts>): string[] {
  const decision = decideSshCode({ ...facts, ...change }, nowSeconds);
  return decision.allowed ? [] : decision.reasons.map(({ code }) => code);
}

describe('decideSshCode', () => {
  it('allows a person in an organization that allows them, and says whether the login counts as MFA', () => {
    expect(decideSshCode(facts, nowSeconds)).toMatchObject({ allowed: true, mfa: true });
    const without = { ...facts, session: loggedIn({ mfa: false, mfaBy: null }) };
    expect(decideSshCode(without, nowSeconds)).toMatchObject({ allowed: true, mfa: false });
  });

  it('refuses where the organization does not allow them', () => {
    expect(codes({ sshCodes: false })).toEqual(['ssh_codes_refused']);
  });

  it.each(['token', 'ci', 'hop'] as const)('refuses a session of mode %s', (mode) => {
    expect(codes({ session: { ...session, mode } })).toContain('person_needed');
  });

  it('refuses a login without the second factor that the organization wants', () => {
    const organization = { ...example, mfaRequired: true };
    expect(codes({ organization, session: loggedIn({ mfa: false, mfaBy: null }) })).toEqual(['mfa_missing']);
    expect(codes({ organization: { ...organization, mfaSources: ['passkey'] } })).toEqual(['mfa_missing']);
    expect(codes({ organization: { ...organization, mfaMaxAgeSeconds: 60 } })).toEqual(['mfa_too_old']);
    expect(codes({ organization })).toEqual([]);
  });

  it('refuses whatever would get no certificate', () => {
    expect(codes({ account: { ...bob, disabled: true } })).toEqual(['account_disabled']);
    expect(codes({ session: { ...session, ended: true } })).toEqual(['session_ended']);
    expect(codes({ organization: { ...example, sshEnabled: false } })).toEqual(['ssh_disabled']);
  });
});
