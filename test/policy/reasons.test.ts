import { expect, it } from 'vitest';
import { type AccessFacts, decideAccess } from '../../src/policy/decide-access.ts';
import { decideApp } from '../../src/policy/decide-app.ts';
import { type CertificateFacts, decideCertificate } from '../../src/policy/decide-certificate.ts';
import { decideHop } from '../../src/policy/decide-hop.ts';
import { decideMachineCertificate } from '../../src/policy/decide-machine.ts';
import { decideNarrowedCertificate } from '../../src/policy/decide-narrowed.ts';
import { decideRegisteredKey } from '../../src/policy/decide-registered-key.ts';
import { decideSshCode } from '../../src/policy/decide-ssh-code.ts';
import { decideSource, type SourceDecision } from '../../src/policy/pin-source.ts';
import { reason, reasonTable } from '../../src/policy/reasons.ts';
import { bob, example, loggedIn, nowSeconds, rule, session, target } from './sample-facts.ts';

const access: AccessFacts = { account: bob, session, target, rules: [rule], nowSeconds, phase: 'start' };
const certificate: CertificateFacts = { account: bob, organization: example, session };

const refusedSource = (decision: SourceDecision) =>
  decision.allowed ? decision : { ...decision, reasons: [decision.reason] };

const refusals = [
  decideAccess({ ...access, rules: [] }),
  decideAccess({
    ...access,
    session: { ...session, mode: 'token' },
    target: { ...target, peopleOnly: true },
  }),
  decideAccess({ ...access, account: { ...bob, disabled: true } }),
  decideAccess({ ...access, session: { ...session, ended: true } }),
  decideAccess({ ...access, session: { ...session, expiresAtSeconds: 0 } }),
  decideAccess({ ...access, target: { ...target, sshEnabled: { ...target.sshEnabled, app: false } } }),
  decideAccess({ ...access, rules: [{ ...rule, role: 'viewer' }] }),
  ...(['starting', 'stopped', 'paused', 'inactive'] as const).map((state) =>
    decideAccess({ ...access, target: { ...target, state } }),
  ),
  ...[[], ['shop-production--web--1', 'shop-production--web--2']].map((instances) =>
    decideApp({ ...access, app: { ...target, name: target.targetName, instances } }),
  ),
  decideAccess({ ...access, session: loggedIn({ mfa: false }) }),
  decideAccess({ ...access, session: loggedIn({ authTimeSeconds: 0 }) }),
  decideCertificate({ ...certificate, account: { ...bob, name: '' } }, nowSeconds),
  decideCertificate(
    {
      ...certificate,
      session: { ...session, mode: 'ci' },
      organization: { ...example, machineAccess: false },
    },
    nowSeconds,
  ),
  decideCertificate(
    { ...certificate, session: { ...session, expiresAtSeconds: nowSeconds + 1 } },
    nowSeconds,
  ),
  decideAccess({ ...access, session: { ...session, mode: 'ci' } }),
  decideRegisteredKey({ ...certificate, registeredKeys: false }, nowSeconds),
  ...(
    [
      {},
      { isSecurityKey: true },
      { isSecurityKey: true, userVerified: true },
      { isSecurityKey: true, userVerified: true, attestedModel: 'of another maker' },
    ] as const
  ).map((known) =>
    decideCertificate(
      {
        ...certificate,
        organization: { ...example, hardware: { keys: 'verified', attestation: true, models: ['ours'] } },
        key: { isSecurityKey: false, userVerified: false, attestedModel: null, ...known },
      },
      nowSeconds,
    ),
  ),
  decideSshCode({ ...certificate, session: { ...session, mode: 'token' }, sshCodes: false }, nowSeconds),
  decideMachineCertificate({ ...certificate, machine: undefined, rules: [rule] }, nowSeconds),
  decideNarrowedCertificate({ ...certificate, environment: undefined, rules: [rule] }, nowSeconds),
  refusedSource(
    decideSource({ pinning: 'address', clientAddress: '192.0.2.7', ranges: ['10.0.0.0/8'], gateways: [] }),
  ),
  ...[reason('machine_stale', 7_200), reason('machine_clock', 600)].map(
    (told) => ({ allowed: false, reasons: [told] }) as const,
  ),
  decideHop({ ...access, target: { ...target, accessMode: 'jump' }, hasHost: false }),
];

const reasons = refusals.flatMap((decision) => (decision.allowed ? [] : decision.reasons));

it('every code of the table is the reason of some refusal', () => {
  expect(new Set(reasons.map(({ code }) => code))).toEqual(new Set(Object.keys(reasonTable)));
});

it('every reason says what is wrong in whole sentences of printable ASCII', () => {
  for (const { message } of reasons) expect(message).toMatch(/^[A-Z][ -~]+\.$/);
});
