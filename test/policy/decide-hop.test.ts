import { describe, expect, it } from 'vitest';
import { type AccessFacts, decideAccess, unknownTarget } from '../../src/policy/decide-access.ts';
import { decideHop, decideHopArrival, type HopFacts, hopPermissions } from '../../src/policy/decide-hop.ts';
import { bob, loggedIn, nowSeconds, rule, session, target } from './sample-facts.ts';

const facts = { account: bob, session, target, rules: [rule], nowSeconds };
const asked: HopFacts = { ...facts, hasHost: true };
const arriving: AccessFacts = { ...facts, session: { ...session, mode: 'hop' }, phase: 'start' };

function codes(decision: ReturnType<typeof decideHop>): string[] {
  return decision.allowed ? [] : decision.reasons.map(({ code }) => code);
}

describe('decideHop', () => {
  it.each(['relay', 'both'] as const)('allows where the environment says %s', (accessMode) => {
    const decision = decideHop({ ...asked, target: { ...target, accessMode } });
    expect(decision).toEqual({ allowed: true, role: 'contributor' });
  });

  it('refuses where the environment takes jumps only', () => {
    expect(codes(decideHop({ ...asked, target: { ...target, accessMode: 'jump' } }))).toEqual(['relay_off']);
  });

  it('refuses a target without an enrolled host', () => {
    expect(codes(decideHop({ ...asked, hasHost: false }))).toEqual(['host_missing']);
  });

  it('refuses a certificate without MFA, or with one too old, where the environment wants it', () => {
    expect(codes(decideHop({ ...asked, session: loggedIn({ mfa: false }) }))).toEqual(['mfa_missing']);
    const old = loggedIn({ authTimeSeconds: nowSeconds - 901 });
    expect(codes(decideHop({ ...asked, session: old }))).toEqual(['mfa_too_old']);
  });

  it('tells what else stands in the way before what is special to hops', () => {
    const everything = { ...asked, target: { ...target, accessMode: 'jump' as const }, hasHost: false };
    const decision = decideHop({ ...everything, account: { ...bob, disabled: true } });
    expect(codes(decision)).toEqual(['account_disabled', 'relay_off', 'host_missing']);
  });

  it.each([
    ['does not exist', { target: undefined }],
    ['may not be seen', { rules: [] }],
    [
      'may not be seen and takes jumps only',
      { rules: [], target: { ...target, accessMode: 'jump' as const } },
    ],
    ['is of another organization', { target: { ...target, organization: 'other' } }],
  ] as const)('answers the same for a target that %s', (_what, changed) => {
    expect(decideHop({ ...asked, ...changed })).toEqual(unknownTarget);
  });
});

describe('decideHopArrival', () => {
  it.each(['start', 'running'] as const)('does not ask for MFA again (%s)', (phase) => {
    const withoutMfa = { ...arriving, session: { ...loggedIn({ mfa: false }), mode: 'hop' as const }, phase };
    expect(decideHopArrival(withoutMfa)).toEqual({ allowed: true, role: 'contributor' });
    expect(codes(decideAccess(withoutMfa))).toEqual(['mfa_missing']);
  });

  it.each([
    ['account_disabled', { account: { ...bob, disabled: true } }],
    ['session_ended', { session: { ...arriving.session, ended: true } }],
    ['session_expired', { session: { ...arriving.session, expiresAtSeconds: nowSeconds } }],
    ['ssh_disabled', { target: { ...target, sshEnabled: { ...target.sshEnabled, app: false } } }],
    ['role_insufficient', { rules: [{ ...rule, role: 'viewer' as const }] }],
    ['instance_stopped', { target: { ...target, state: 'stopped' as const } }],
    ['relay_off', { target: { ...target, accessMode: 'jump' as const } }],
    ['target_unknown', { rules: [] }],
    ['target_unknown', { target: { ...target, organization: 'other' } }],
  ] as const)('asks for everything else: %s', (code, changed) => {
    expect(codes(decideHopArrival({ ...arriving, ...changed }))).toEqual([code]);
  });
});

describe('hopPermissions', () => {
  const certificate = ['permit-agent-forwarding', 'permit-port-forwarding', 'permit-pty'];
  const none = { local: true, remote: false, agent: false };

  it('are a terminal, where the app wants nothing more', () => {
    expect(hopPermissions(certificate, { forwarding: none })).toEqual(['permit-pty']);
  });

  it('are what the app wants and the certificate permits', () => {
    const forwarding = { ...none, remote: true, agent: true };
    expect(hopPermissions(certificate, { forwarding })).toEqual(certificate);
    expect(hopPermissions(['permit-pty'], { forwarding })).toEqual(['permit-pty']);
    expect(hopPermissions([], { forwarding })).toEqual([]);
  });
});
