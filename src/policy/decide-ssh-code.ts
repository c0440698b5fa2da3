/**
 * Whether a login session may have one-time codes, asked when one is made and again when it is used. A code stands for a
 * certificate on a machine that has none, so whatever keeps a session from a certificate keeps it from codes.
 */
import { type CertificateDecision, type CertificateFacts, decideCertificate } from './decide-certificate.ts';
import { beyondHardware, otherWaysAllowed } from './hardware-keys.ts';
import { type Reason, reason } from './reasons.ts';

export interface SshCodeFacts extends CertificateFacts {
  /** Whether the organization allows them. */
  readonly sshCodes: boolean;
}

export function decideSshCode(facts: SshCodeFacts, nowSeconds: number): CertificateDecision {
  const { session, organization, sshCodes } = facts;
  const own: Reason[] = [];
  if (session.mode !== 'interactive') own.push(reason('person_needed'));
  const isAllowed = sshCodes && otherWaysAllowed(organization);
  if (!isAllowed) own.push(reason('ssh_codes_refused', organization.slug));
  const decision = decideCertificate(beyondHardware(facts), nowSeconds);
  const [first, ...more] = [...own, ...(decision.allowed ? [] : decision.reasons)];
  return first === undefined ? decision : { allowed: false, reasons: [first, ...more] };
}
