import { describe, expect, it } from 'vitest';
import { decideMachineCertificate, type MachineCertificateFacts } from '../../src/policy/decide-machine.ts';
import { bob, example, nowSeconds, rule, session, target } from './sample-facts.ts';

const facts: MachineCertificateFacts = {
  account: bob,
  organization: example,
  session,
  machine: { name: 'web-1', targets: [target] },
  rules: [rule],
};
const decide = (changed: Partial<MachineCertificateFacts>) => {
  const decision = decideMachineCertificate({ ...facts, ...changed }, nowSeconds);
  if (!decision.allowed) return decision.reasons.map(({ code }) => code);
  return { principals: decision.principals, seconds: decision.validBeforeSeconds - nowSeconds };
};
const unknown = ['machine_unknown'];

describe('a certificate for one machine', () => {
  it('names the machine alone, for five minutes, or as long as the session lasts', () => {
    expect(decide({})).toEqual({ principals: ['at:web-1'], seconds: 300 });
    const ending = { ...session, expiresAtSeconds: nowSeconds + 200 };
    expect(decide({ session: ending })).toEqual({ principals: ['at:web-1'], seconds: 200 });
  });

  it('is given to whoever sees a target there, though it let them in not now: the companion tells them why', () => {
    const stopped = { ...target, state: 'stopped' as const };
    expect(decide({ machine: { name: 'web-1', targets: [stopped] } })).toMatchObject({ seconds: 300 });
  });

  it('is refused where there is no such machine, nothing to be seen there, or what is there is somebody else’s', () => {
    expect(decide({ machine: undefined })).toEqual(unknown);
    expect(decide({ machine: { name: 'web-1', targets: [] } })).toEqual(unknown);
    expect(decide({ rules: [] })).toEqual(unknown);
    const others = { ...target, organization: 'other' };
    expect(decide({ machine: { name: 'web-1', targets: [others] } })).toEqual(unknown);
  });

  it('is refused for what refuses any certificate', () => {
    expect(decide({ account: { ...bob, disabled: true } })).toEqual(['account_disabled']);
    expect(decide({ session: { ...session, ended: true }, machine: undefined })).toContain('session_ended');
  });
});
