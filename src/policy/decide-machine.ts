/**
 * What goes into a certificate that is good for one enrolled machine alone, for minutes: an agent asks for it when its
 * client has proven which machine it is talking to. No host lists such a name by itself, so a stock sshd without a
 * companion refuses it; what the person may do there is decided by the machine's companion, as ever.
 */
import { machinePrincipal } from '../ssh/names.ts';
import { decideAccess } from './decide-access.ts';
import { type CertificateDecision, type CertificateFacts, decideCertificate } from './decide-certificate.ts';
import type { AccessRuleFacts, TargetFacts } from './facts.ts';
import { type Reason, reason } from './reasons.ts';

export interface MachineFacts {
  readonly name: string;
  /** What is reached there or through it. */
  readonly targets: readonly TargetFacts[];
}

export interface MachineCertificateFacts extends CertificateFacts {
  /** Undefined: the account's organization has none with this host key. */
  readonly machine: MachineFacts | undefined;
  /** Every rule that names the account or one of its groups. */
  readonly rules: readonly AccessRuleFacts[];
}

const machineCertificateSeconds = 300;

export function decideMachineCertificate(
  facts: MachineCertificateFacts,
  nowSeconds: number,
): CertificateDecision {
  const decision = decideCertificate(facts, nowSeconds, nowSeconds + machineCertificateSeconds);
  const { machine } = facts;
  // Whoever sees nothing behind it must not learn whether there is such a machine.
  if (machine === undefined || !sees(facts, machine, nowSeconds)) {
    return refusedFor([...(decision.allowed ? [] : decision.reasons), reason('machine_unknown')]);
  }
  return decision.allowed ? { ...decision, principals: [machinePrincipal(machine.name)] } : decision;
}

function sees(
  { account, session, rules }: MachineCertificateFacts,
  { targets }: MachineFacts,
  nowSeconds: number,
): boolean {
  return targets.some((target) => {
    if (target.organization !== account.organization) return false;
    const decision = decideAccess({ account, session, target, rules, nowSeconds, phase: 'start' });
    return decision.allowed || decision.visible;
  });
}

function refusedFor([first, ...more]: Reason[]): CertificateDecision {
  return { allowed: false, reasons: [first ?? reason('machine_unknown'), ...more] };
}
