import { describe, expect, it } from 'vitest';
import { decideRegisteredKey, type RegisteredKeyFacts } from '../../src/policy/decide-registered-key.ts';
import { bob, example, loggedIn, nowSeconds, session } from './sample-facts.ts';

const facts: RegisteredKeyFacts = { account: bob, organization: example, session, registeredKeys: true };

function reasons(change: Partial<RegisteredKeyFacts>): string[] {
  const decision = decideRegisteredKey({ ...facts, ...change }, nowSeconds);
  return decision.allowed ? [] : decision.reasons.map(({ code }) => code);
}

describe('decideRegisteredKey', () => {
  it('allows a person in an organization that allows keys, and nobody where it does not', () => {
    expect(reasons({})).toEqual([]);
    expect(reasons({ registeredKeys: false })).toEqual(['registered_keys_refused']);
  });

  it.each(['token', 'ci', 'key', 'hop'] as const)('refuses a session of mode %s', (mode) => {
    expect(reasons({ session: { ...session, mode } })).toContain('person_needed');
  });

  it('refuses a login without the second factor that the organization wants', () => {
    const organization = { ...example, mfaRequired: true };
    expect(reasons({ organization, session: loggedIn({ mfa: false, mfaBy: null }) })).toEqual([
      'mfa_missing',
    ]);
    expect(reasons({ organization })).toEqual([]);
  });

  it('refuses whatever would get no certificate', () => {
    expect(reasons({ account: { ...bob, disabled: true } })).toEqual(['account_disabled']);
    expect(reasons({ session: { ...session, ended: true } })).toEqual(['session_ended']);
    expect(reasons({ organization: { ...example, sshEnabled: false } })).toEqual(['ssh_disabled']);
  });
});
