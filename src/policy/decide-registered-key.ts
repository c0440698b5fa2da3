/**
 * Whether a login session may register a key of its person's, and whether registered ones are good: asked when one is
 * registered. A key gets in where certificates would, for longer and without a second factor, so whatever keeps a session
 * from a certificate keeps it from registering one.
 */
import { type CertificateFacts, decideCertificate } from './decide-certificate.ts';
import { beyondHardware, otherWaysAllowed } from './hardware-keys.ts';
import { type Reason, type Reasons, reason } from './reasons.ts';

export interface RegisteredKeyFacts extends CertificateFacts {
  /** Whether the organization allows them. */
  readonly registeredKeys: boolean;
}

export type RegisteredKeyDecision =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly reasons: Reasons };

export function decideRegisteredKey(facts: RegisteredKeyFacts, nowSeconds: number): RegisteredKeyDecision {
  const { session, organization, registeredKeys } = facts;
  const own: Reason[] = [];
  if (session.mode !== 'interactive') own.push(reason('person_needed'));
  const isAllowed = registeredKeys && otherWaysAllowed(organization);
  if (!isAllowed) own.push(reason('registered_keys_refused', organization.slug));
  const decision = decideCertificate(beyondHardware(facts), nowSeconds);
  const [first, ...more] = [...own, ...(decision.allowed ? [] : decision.reasons)];
  return first === undefined ? { allowed: true } : { allowed: false, reasons: [first, ...more] };
}
