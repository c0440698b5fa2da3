import { describe, expect, it } from 'vitest';
import { decideNarrowedCertificate, type NarrowedFacts } from '../../src/policy/decide-narrowed.ts';
import type { EnvironmentFacts } from '../../src/policy/facts.ts';
import { bob, example, loggedIn, nowSeconds, rule, session } from './sample-facts.ts';

const production: EnvironmentFacts = {
  organization: 'example',
  project: 'shop',
  environment: 'production',
  mfaRequired: true,
  mfaMaxAgeSeconds: null,
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
const withoutMfa = loggedIn({ mfa: false, mfaBy: null, mfaMethods: [] });

const decide = (changed: Partial<NarrowedFacts>) =>
  decideNarrowedCertificate({ ...facts, ...changed }, nowSeconds);
function allowed(changed: Partial<NarrowedFacts>) {
  const decision = decide(changed);
  if (decision.allowed) return decision;
  throw new Error(decision.reasons.map(({ code }) => code).join());
}
function codes(changed: Partial<NarrowedFacts>): string[] {
  const decision = decide(changed);
  return decision.allowed ? [] : decision.reasons.map(({ code }) => code);
}
const roles = (names: readonly string[]) =>
  names.filter((name) => name.includes('role:')).map((name) => name.replace('example:shop:production:', ''));

describe('a certificate that is narrowed to an environment', () => {
  it('names the account, its roles there from the lowest on, and each with MFA', () => {
    expect(allowed({}).principals).toEqual([
      'bob@example.com',
      'mfa:bob@example.com',
      'role:example:shop:production:viewer',
      'role:example:shop:production:contributor',
      'mfa:role:example:shop:production:viewer',
      'mfa:role:example:shop:production:contributor',
    ]);
  });

  it('names no role above the one that is held, of all rules and of the token', () => {
    const viewer = { ...rule, role: 'viewer' as const };
    const admin = { ...rule, role: 'admin' as const, project: 'shop', environment: 'production' };
    expect(roles(allowed({ rules: [viewer] }).principals)).toEqual(['role:viewer', 'mfa:role:viewer']);
    expect(roles(allowed({ rules: [viewer, admin] }).principals)).toHaveLength(6);
    const environment = { ...production, mfaRequired: false };
    const token = { ...session, mode: 'token' as const, roleLimit: 'viewer' as const };
    expect(roles(allowed({ rules: [admin], session: token, environment }).principals)).toEqual([
      'role:viewer',
    ]);
  });

  it.each(['token', 'ci', 'hop'] as const)('never says MFA of a session of mode %s', (mode) => {
    const environment = { ...production, mfaRequired: false };
    expect(allowed({ session: { ...session, mode }, environment }).principals).toEqual([
      'bob@example.com',
      'role:example:shop:production:viewer',
      'role:example:shop:production:contributor',
    ]);
    expect(codes({ session: { ...session, mode } })).toEqual(['mfa_impossible']);
  });

  it('is refused without MFA where the environment requires it', () => {
    expect(codes({ session: withoutMfa })).toEqual(['mfa_missing']);
    expect(
      roles(allowed({ session: withoutMfa, environment: { ...production, mfaRequired: false } }).principals),
    ).toEqual(['role:viewer', 'role:contributor']);
  });

  it('ends when its MFA is too old for the environment, and is refused when that is at once', () => {
    // The sample login is ten minutes old.
    const at = (mfaMaxAgeSeconds: number) => ({ environment: { ...production, mfaMaxAgeSeconds } });
    expect(allowed(at(900))).toMatchObject({ validBeforeSeconds: nowSeconds + 300 });
    expect(roles(allowed(at(900)).principals)).toContain('mfa:role:contributor');
    expect(allowed(at(720))).toMatchObject({ validBeforeSeconds: nowSeconds + 120 });
    expect(decide(at(719))).toMatchObject({
      allowed: false,
      reasons: [{ code: 'mfa_too_old', parameters: { amr: ['mfa'], max_age: 719 } }],
    });
    expect(allowed(at(7200))).toMatchObject({ validBeforeSeconds: nowSeconds + 3600 });
  });

  it('is as long as any and says nothing of MFA that would get too old, where none is required', () => {
    const environment = { ...production, mfaRequired: false, mfaMaxAgeSeconds: 900 };
    const { principals, validBeforeSeconds } = allowed({ environment });
    expect(validBeforeSeconds).toBe(nowSeconds + 3600);
    expect(roles(principals)).toEqual(['role:viewer', 'role:contributor']);
  });

  it('takes no second factor that the organization does not', () => {
    expect(codes({ organization: { ...example, mfaSources: ['passkey'] } })).toEqual(['mfa_missing']);
  });

  it('ends when the role does, and names what is held to its end', () => {
    const viewer = { ...rule, role: 'viewer' as const };
    const until = (seconds: number) => ({ ...rule, expiresAtSeconds: nowSeconds + seconds });
    expect(allowed({ rules: [until(600)] })).toMatchObject({ validBeforeSeconds: nowSeconds + 600 });
    expect(allowed({ rules: [rule, until(600)] })).toMatchObject({ validBeforeSeconds: nowSeconds + 3600 });
    const falling = allowed({ rules: [viewer, until(600)] });
    expect(falling.validBeforeSeconds).toBe(nowSeconds + 600);
    const fallen = allowed({ rules: [viewer, until(120)] });
    expect(roles(fallen.principals)).toEqual(['role:viewer', 'mfa:role:viewer']);
    expect(fallen.validBeforeSeconds).toBe(nowSeconds + 3600);
    expect(codes({ rules: [until(120)] })).toEqual(['environment_unknown']);
  });

  it('is refused in the same words where there is no such environment and where one has no role', () => {
    const elsewhere = { ...rule, project: 'shop', environment: 'staging' };
    const strict = {
      ...production,
      peopleOnly: true,
      sshEnabled: { ...production.sshEnabled, project: false },
    };
    expect(decide({ environment: undefined })).toEqual(decide({ rules: [elsewhere], environment: strict }));
    expect(decide({ environment: undefined, session: withoutMfa })).toEqual(
      decide({ rules: [], environment: production, session: withoutMfa }),
    );
    expect(codes({ environment: { ...production, organization: 'other' } })).toEqual(['environment_unknown']);
  });

  it('obeys the switches, the rule for people, and what any certificate obeys', () => {
    const { sshEnabled } = production;
    const off = (level: 'project' | 'environment') => ({
      environment: { ...production, sshEnabled: { ...sshEnabled, [level]: false } },
    });
    expect(decide(off('project'))).toMatchObject({
      reasons: [{ code: 'ssh_disabled', message: expect.stringContaining('project shop') }],
    });
    expect(codes(off('environment'))).toEqual(['ssh_disabled']);
    expect(codes({ organization: { ...example, sshEnabled: false } })).toEqual(['ssh_disabled']);
    const environment = { ...production, mfaRequired: false, peopleOnly: true };
    expect(codes({ session: { ...session, mode: 'ci' }, environment })).toEqual(['person_required']);
    expect(codes({ account: { ...bob, disabled: true } })).toEqual(['account_disabled']);
    expect(codes({ session: { ...session, ended: true } })).toEqual(['session_ended']);
    expect(allowed({ session: { ...session, expiresAtSeconds: nowSeconds + 200 } })).toMatchObject({
      validBeforeSeconds: nowSeconds + 200,
    });
  });
});
