/**
 * What an organization asks of the keys that its people's certificates are for. Of people alone: API tokens and CI jobs
 * have nobody who could touch a security key, and whether they get certificates is a switch of its own.
 */
import type { KeyFacts, OrganizationFacts, SessionFacts } from './facts.ts';
import { type Reason, reason } from './reasons.ts';

/** A key of which nothing is known lies in a file. */
const keyInFile: KeyFacts = { isSecurityKey: false, userVerified: false, attestedModel: null };

export interface CertifiedKey {
  readonly organization: OrganizationFacts;
  readonly session: SessionFacts;
  /** Absent: it lies in a file. */
  readonly key?: KeyFacts | undefined;
}

/** Why the key will not do; undefined: it will. */
export function hardwareObstacle({
  organization,
  session,
  key = keyInFile,
}: CertifiedKey): Reason | undefined {
  const { slug, hardware } = organization;
  if (hardware.keys === 'off' || session.mode !== 'interactive') return undefined;
  if (!key.isSecurityKey) return reason('hardware_key_required', slug);
  if (hardware.keys === 'verified' && !key.userVerified) return reason('hardware_key_unverified', slug);
  if (!hardware.attestation) return undefined;
  if (key.attestedModel === null) return reason('hardware_key_unattested', slug);
  const isAccepted = hardware.models === null || hardware.models.includes(key.attestedModel);
  return isAccepted ? undefined : reason('hardware_key_model', slug);
}

/**
 * Whether sshd is to ask for a PIN or a finger at each use (`verify-required`, PROTOCOL.certkeys); of a key that is no
 * security key sshd would ask nothing.
 */
export function asksVerification({ organization, session, key = keyInFile }: CertifiedKey): boolean {
  return organization.hardware.keys === 'verified' && session.mode === 'interactive' && key.isSecurityKey;
}

/** One-time codes and registered keys get in without the key that the organization asks for. */
export function otherWaysAllowed({ hardware }: OrganizationFacts): boolean {
  return hardware.keys === 'off';
}

/** The facts without what is asked of keys: for what is no certificate, and was refused for that already. */
export function beyondHardware<Facts extends { readonly organization: OrganizationFacts }>(
  facts: Facts,
): Facts {
  const hardware = { keys: 'off', attestation: false, models: null } as const;
  return { ...facts, organization: { ...facts.organization, hardware } };
}

/** A key that the organization takes, whatever it asks: for logins that are only supposed. */
export function acceptedKey({ hardware }: OrganizationFacts): KeyFacts {
  return { isSecurityKey: true, userVerified: true, attestedModel: hardware.models?.[0] ?? anyModel };
}

const anyModel = '00000000-0000-0000-0000-000000000000';
