/** May this session do what wants a second factor of the last minutes? Facts in, decision out. */
import { hasMfa, isFreshAt, underPolicy } from './assurance.ts';
import type { OrganizationFacts, SessionFacts } from './facts.ts';

/** How old the second factor may be for what changes who gets in. */
export const stepUpSeconds = 900;

export interface StepUpFacts {
  readonly session: SessionFacts;
  readonly organization: OrganizationFacts;
  /** Whether it is wanted even where the organization requires none. */
  readonly always: boolean;
}

export type StepUpDecision =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly wanting: 'mfa' | 'newer_mfa'; readonly maxAgeSeconds: number };

export function decideStepUp(
  { session, organization, always }: StepUpFacts,
  nowSeconds: number,
): StepUpDecision {
  if (!always && !organization.mfaRequired) return { allowed: true };
  const maxAgeSeconds = Math.min(stepUpSeconds, organization.mfaMaxAgeSeconds ?? stepUpSeconds);
  const accepted = underPolicy(session, organization);
  if (!hasMfa(accepted, nowSeconds)) return { allowed: false, wanting: 'mfa', maxAgeSeconds };
  if (!isFreshAt(accepted, maxAgeSeconds, nowSeconds)) {
    return { allowed: false, wanting: 'newer_mfa', maxAgeSeconds };
  }
  return { allowed: true };
}
