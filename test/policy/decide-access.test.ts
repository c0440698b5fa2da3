import { describe, expect, it } from 'vitest';
import { type AccessFacts, decideAccess, unknownTarget } from '../../src/policy/decide-access.ts';
import type { Role } from '../../src/policy/facts.ts';
import { bob, loggedIn, nowSeconds, rule, session, target } from './sample-facts.ts';

const allowing: AccessFacts = { account: bob, session, target, rules: [rule], nowSeconds, phase: 'start' };

function decide(changed: Partial<AccessFacts> = {}) {
  return decideAccess({ ...allowing, ...changed });
}

function codes(changed: Partial<AccessFacts>): string[] {
  const decision = decide(changed);
  return decision.allowed ? [] : decision.reasons.map(({ code }) => code);
}

describe('decideAccess', () => {
  it('allows with the role that the rules give', () => {
    expect(decide()).toEqual({ allowed: true, role: 'contributor' });
  });

  it('answers for a target without any rule exactly as for one that does not exist', () => {
    expect(decide({ rules: [] })).toEqual(unknownTarget);
    expect(JSON.stringify(unknownTarget)).not.toMatch(/shop|web|production/);
  });

  it('does not say more about a target that the person may not see', () => {
    const everythingWrong = {
      rules: [],
      session: { ...session, ended: true },
      account: { ...bob, disabled: true },
    };
    expect(decide(everythingWrong)).toEqual(unknownTarget);
  });

  it('refuses a disabled account', () => {
    expect(codes({ account: { ...bob, disabled: true } })).toEqual(['account_disabled']);
  });

  it('refuses a session that was ended', () => {
    expect(codes({ session: { ...session, ended: true } })).toEqual(['session_ended']);
  });

  it('refuses a session from the second of its expiry on', () => {
    expect(codes({ session: { ...session, expiresAtSeconds: nowSeconds + 1 } })).toEqual([]);
    expect(codes({ session: { ...session, expiresAtSeconds: nowSeconds } })).toEqual(['session_expired']);
  });

  it.each([
    ['organization', 'example'],
    ['project', 'shop'],
    ['environment', 'production'],
    ['app', 'web'],
  ] as const)('names the %s whose switch is off', (level, name) => {
    const decision = decide({ target: { ...target, sshEnabled: { ...target.sshEnabled, [level]: false } } });
    expect(decision).toMatchObject({
      allowed: false,
      visible: true,
      reasons: [{ code: 'ssh_disabled', message: expect.stringContaining(`the ${level} ${name}.`) }],
    });
  });

  it('names the topmost of several switches that are off', () => {
    const sshEnabled = { organization: true, project: false, environment: false, app: false };
    expect(decide({ target: { ...target, sshEnabled } })).toMatchObject({
      reasons: [{ message: expect.stringContaining('the project shop.') }],
    });
  });

  it('refuses a role below the one that the app asks for and names both', () => {
    expect(decide({ rules: [{ ...rule, role: 'viewer' }] })).toMatchObject({
      reasons: [
        { code: 'role_insufficient', message: expect.stringMatching(/role contributor; yours is viewer/) },
      ],
    });
  });

  it.each([
    ['starting', 'instance_starting', /is starting/],
    ['stopped', 'instance_stopped', /is stopped/],
    ['paused', 'instance_paused', /is paused/],
    ['inactive', 'instance_inactive', /is inactive/],
  ] as const)('refuses an instance that is %s in words of its own, which name it', (state, code, words) => {
    const decision = decide({ target: { ...target, state } });
    expect(decision).toMatchObject({
      visible: true,
      reasons: [{ code, message: expect.stringMatching(words) }],
    });
    expect(decision).toMatchObject({ reasons: [{ message: expect.stringContaining(target.targetName) }] });
  });

  it('refuses a login without MFA and says what login is needed', () => {
    expect(decide({ session: loggedIn({ mfa: false, amr: ['pwd'] }) })).toMatchObject({
      reasons: [{ code: 'mfa_missing', parameters: { amr: ['mfa'] }, command: 'sally login --mfa' }],
    });
  });

  it('believes the mapped fact and not the method names', () => {
    expect(codes({ session: loggedIn({ mfa: false, amr: ['mfa', 'otp'] }) })).toEqual(['mfa_missing']);
  });

  it('refuses MFA older than the environment allows and says how old it may be', () => {
    expect(codes({ session: loggedIn({ authTimeSeconds: nowSeconds - 900 }) })).toEqual([]);
    expect(decide({ session: loggedIn({ authTimeSeconds: nowSeconds - 901 }) })).toMatchObject({
      reasons: [
        {
          code: 'mfa_too_old',
          message: expect.stringContaining('of the last 15 minutes'),
          parameters: { amr: ['mfa'], max_age: 900 },
          command: 'sally login --mfa',
        },
      ],
    });
  });

  it('refuses MFA from the future', () => {
    expect(codes({ session: loggedIn({ authTimeSeconds: nowSeconds + 301 }) })).toEqual(['mfa_missing']);
  });

  it('never takes a hop for MFA', () => {
    expect(codes({ session: { ...session, mode: 'hop' } })).toEqual(['mfa_missing']);
  });

  it.each(['token', 'ci'] as const)(
    'never takes a session of mode %s for MFA, nor sends it to a login that would not help',
    (mode) => {
      const decision = decide({ session: { ...session, mode } });
      expect(decision).toMatchObject({ reasons: [{ code: 'mfa_impossible', command: null }] });
    },
  );

  it.each(['token', 'ci'] as const)('keeps a session of mode %s out of environments for people', (mode) => {
    const forPeople = { ...target, mfaRequired: false, peopleOnly: true };
    expect(codes({ session: { ...session, mode }, target: forPeople })).toEqual(['person_required']);
    expect(codes({ session: { ...session, mode }, target: { ...forPeople, peopleOnly: false } })).toEqual([]);
    expect(codes({ target: forPeople })).toEqual([]);
  });

  it("takes the lower of the account's role and the session's limit", () => {
    const admin = [{ ...rule, role: 'admin' as const }];
    const limited = (roleLimit: Role | null) => decide({ rules: admin, session: { ...session, roleLimit } });
    expect(limited(null)).toEqual({ allowed: true, role: 'admin' });
    expect(limited('contributor')).toEqual({ allowed: true, role: 'contributor' });
    expect(limited('viewer')).toMatchObject({ allowed: false, reasons: [{ code: 'role_insufficient' }] });
    expect(codes({ session: { ...session, roleLimit: 'admin' } })).toEqual([]);
    expect(
      codes({ rules: [{ ...rule, role: 'viewer' }], session: { ...session, roleLimit: 'admin' } }),
    ).toEqual(['role_insufficient']);
  });

  it('does not judge the age of MFA again while a connection runs, but everything else', () => {
    const old = loggedIn({ authTimeSeconds: nowSeconds - 7200 });
    expect(codes({ phase: 'running', session: old })).toEqual([]);
    expect(codes({ phase: 'running', session: loggedIn({ mfa: false }) })).toEqual(['mfa_missing']);
    expect(codes({ phase: 'running', session: { ...old, ended: true } })).toEqual(['session_ended']);
  });

  it('judges the age of MFA as long as a connection runs where the environment enforces it continuously', () => {
    const continuous = { ...target, mfaEnforcement: 'continuous' as const };
    const since = (seconds: number) => loggedIn({ authTimeSeconds: nowSeconds - seconds });
    expect(codes({ phase: 'running', target: continuous, session: since(900) })).toEqual([]);
    expect(codes({ phase: 'running', target: continuous, session: since(901) })).toEqual(['mfa_too_old']);
    const anyAge = { ...continuous, mfaMaxAgeSeconds: null };
    expect(codes({ phase: 'running', target: anyAge, session: since(30_000) })).toEqual([]);
    const without = { ...continuous, mfaRequired: false };
    expect(codes({ phase: 'running', target: without, session: since(30_000) })).toEqual([]);
  });

  it('asks for MFA because the environment requires it, not because it is called production', () => {
    const withoutMfa = loggedIn({ mfa: false });
    expect(codes({ session: withoutMfa, target: { ...target, mfaRequired: false } })).toEqual([]);
    expect(codes({ session: withoutMfa, target: { ...target, environmentKind: 'development' } })).toEqual([
      'mfa_missing',
    ]);
  });

  it('takes MFA of any age where no age is set', () => {
    const old = loggedIn({ authTimeSeconds: nowSeconds - 30_000 });
    expect(codes({ session: old, target: { ...target, mfaMaxAgeSeconds: null } })).toEqual([]);
  });

  it('tells all reasons, the most important first', () => {
    const sshEnabled = { ...target.sshEnabled, app: false };
    expect(
      codes({
        account: { ...bob, disabled: true },
        session: { ...loggedIn({ mfa: false }), ended: true },
        target: { ...target, sshEnabled, state: 'stopped', sshRole: 'admin' },
      }),
    ).toEqual([
      'account_disabled',
      'session_ended',
      'ssh_disabled',
      'role_insufficient',
      'instance_stopped',
      'mfa_missing',
    ]);
  });
});
