import { describe, expect, it } from 'vitest';
import { decideNarrowedCertificate, type NarrowedFacts } from '../../src/policy/decide-narrowed.ts';
import type { EnvironmentFacts } from '../../src/policy/facts.ts';
import { stillHolds } from '../../src/policy/still-holds.ts';
import { bob, example, nowSeconds, rule, session } from './sample-facts.ts';

const production: EnvironmentFacts = {
  organization: 'example',
  project: 'shop',
  environment: 'production',
  mfaRequired: true,
  mfaMaxAgeSeconds: 900,
  peopleOnly: false,
  sshEnabled: { organization: true, project: true, environment: true },
};
const facts: NarrowedFacts = {
  account: bob,
  organization: example,
  session,
  environment: production,
  rules: [rule],
};

/** Issued for `before`, looked at again with what has changed since, a moment before its end. */
function holds(changed: Partial<NarrowedFacts>, before: Partial<NarrowedFacts> = {}): boolean {
  const was = { ...facts, ...before };
  const decision = decideNarrowedCertificate(was, nowSeconds);
  if (!decision.allowed) throw new Error('it was never issued');
  const { principals, validBeforeSeconds } = decision;
  return stillHolds({ principals, validBeforeSeconds }, { ...was, ...changed }, validBeforeSeconds - 1);
}
const with_ = (changed: Partial<EnvironmentFacts>) => ({ environment: { ...production, ...changed } });

describe('a certificate that was narrowed to an environment', () => {
  it('holds to its last second, where nothing changed', () => {
    expect(holds({})).toBe(true);
    expect(holds({}, with_({ mfaMaxAgeSeconds: null }))).toBe(true);
    expect(holds({}, { ...with_({ mfaRequired: false }), session: { ...session, mode: 'ci' } })).toBe(true);
  });

  it('holds where the role has become more, and not where it became less or was taken away', () => {
    expect(holds({ rules: [{ ...rule, role: 'admin' }] })).toBe(true);
    expect(holds({ rules: [{ ...rule, role: 'viewer' }] })).toBe(false);
    expect(holds({ rules: [] })).toBe(false);
    expect(
      holds({ account: { ...bob, groups: [] } }, { rules: [{ ...rule, subject: { group: 'developers' } }] }),
    ).toBe(false);
  });

  it('does not where SSH was switched off, on any level, or the environment is gone', () => {
    const { sshEnabled } = production;
    for (const level of ['organization', 'project', 'environment'] as const) {
      expect(holds(with_({ sshEnabled: { ...sshEnabled, [level]: false } }))).toBe(false);
    }
    expect(holds({ environment: undefined })).toBe(false);
    expect(holds({ account: { ...bob, disabled: true } })).toBe(false);
  });

  it('does not where the rule for second factors became stricter than its own', () => {
    expect(holds(with_({ mfaMaxAgeSeconds: 899 }))).toBe(false);
    expect(holds(with_({ mfaMaxAgeSeconds: 7200 }))).toBe(true);
    expect(holds({ organization: { ...example, mfaSources: ['passkey'] } })).toBe(false);
    const without = { ...session, assurance: { ...session.assurance, mfa: false } };
    const free = { ...with_({ mfaRequired: false, mfaMaxAgeSeconds: null }), session: without };
    expect(holds({}, free)).toBe(true);
    expect(holds(with_({ mfaRequired: true, mfaMaxAgeSeconds: null }), free)).toBe(false);
  });

  it('does not for a machine where only people are let in now', () => {
    const machine = { ...with_({ mfaRequired: false }), session: { ...session, mode: 'token' as const } };
    expect(holds(with_({ mfaRequired: false, peopleOnly: true }), machine)).toBe(false);
    expect(holds(with_({ peopleOnly: true }))).toBe(true);
  });
});
