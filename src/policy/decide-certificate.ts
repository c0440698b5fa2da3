/**
 * What goes into a user certificate. Nothing here comes from the request: names, times and permissions follow from the
 * account, its organization and the login session.
 */
import { isAccountName, mfaPrefix } from '../ssh/names.ts';
import { hasMfa, isFreshAt, underPolicy } from './assurance.ts';
import type { AccountFacts, KeyFacts, OrganizationFacts, SessionFacts } from './facts.ts';
import { asksVerification, hardwareObstacle } from './hardware-keys.ts';
import { type Reason, type Reasons, reason } from './reasons.ts';

export interface CertificateFacts {
  readonly account: AccountFacts;
  readonly organization: OrganizationFacts;
  readonly session: SessionFacts;
  /** The key that it is for; absent: one in a file. */
  readonly key?: KeyFacts | undefined;
}

export type CertificateDecision =
  | {
      readonly allowed: true;
      readonly principals: readonly [string, ...string[]];
      readonly validAfterSeconds: number;
      readonly validBeforeSeconds: number;
      /** sshd's own extensions, `permit-*`. */
      readonly extensions: readonly string[];
      /** Whether the login counts as MFA now: the certificate says who vouched; companions judge its age. */
      readonly mfa: boolean;
      /** Whether sshd is to ask for a PIN or a finger at each use. */
      readonly verifyRequired: boolean;
    }
  | { readonly allowed: false; readonly reasons: Reasons };

export const certificateLifeSeconds = 3600;

/** sshd refuses a certificate that starts a second in its future; clocks differ. */
export const backdateSeconds = 60;

/** `sally` renews a certificate with less than this left, so a shorter one would never be used. */
export const shortestLifeSeconds = 120;

/**
 * A terminal and forwarding to targets. X11 and ~/.ssh/rc are left out: they hand the far machine a way back to the
 * person's own. So does an agent, which is permitted where an app wants it (agent-forwarding.ts).
 */
const permissions: readonly string[] = ['permit-port-forwarding', 'permit-pty'];

/** @param latestEndSeconds what else it must not outlive */
export function decideCertificate(
  facts: CertificateFacts,
  nowSeconds: number,
  latestEndSeconds = Number.POSITIVE_INFINITY,
): CertificateDecision {
  const [first, ...more] = obstacles(facts, nowSeconds);
  if (first) return { allowed: false, reasons: [first, ...more] };

  const { account, organization, session } = facts;
  const validBeforeSeconds = Math.floor(
    Math.min(nowSeconds + certificateLifeSeconds, session.expiresAtSeconds, latestEndSeconds),
  );
  const accepted = underPolicy(session, organization);
  const countsAsMfaAt = (atSeconds: number) =>
    hasMfa(accepted, nowSeconds) && isFreshAt(accepted, organization.mfaMaxAgeSeconds, atSeconds);
  return {
    allowed: true,
    // A stock sshd that lists only `mfa:` names has nothing else to go by: it must be true to the last second.
    principals: countsAsMfaAt(validBeforeSeconds)
      ? [account.name, `${mfaPrefix}${account.name}`]
      : [account.name],
    validAfterSeconds: nowSeconds - backdateSeconds,
    validBeforeSeconds,
    extensions: permissions,
    mfa: countsAsMfaAt(nowSeconds),
    verifyRequired: asksVerification(facts),
  };
}

function obstacles({ account, organization, session, key }: CertificateFacts, nowSeconds: number): Reason[] {
  const found: Reason[] = [];
  if (account.disabled) found.push(reason('account_disabled', account.organization));
  // Without a good name there is no principal, and old sshd takes a certificate without principals for everybody's.
  if (!isAccountName(account.name)) found.push(reason('account_name_invalid'));

  const secondsLeft = session.expiresAtSeconds - nowSeconds;
  if (session.ended) found.push(reason('session_ended'));
  else if (!(secondsLeft > 0)) found.push(reason('session_expired'));
  else if (secondsLeft < shortestLifeSeconds) found.push(reason('session_ending', secondsLeft));

  const isMachine = session.mode === 'token' || session.mode === 'ci' || session.mode === 'key';
  if (isMachine && !organization.machineAccess) found.push(reason('machines_refused', organization.slug));
  if (!organization.sshEnabled) found.push(reason('ssh_disabled', 'organization', organization.slug));
  const hardware = hardwareObstacle({ organization, session, key });
  if (hardware) found.push(hardware);
  const mfa = checkMfa({ organization, session }, nowSeconds);
  if (mfa) found.push(mfa);
  return found;
}

/** Machines have no second factor: whether they get certificates is a switch of its own. */
function checkMfa(
  { organization, session }: Omit<CertificateFacts, 'account'>,
  nowSeconds: number,
): Reason | undefined {
  const { slug, mfaRequired, mfaMaxAgeSeconds: maxAge } = organization;
  if (!mfaRequired || session.mode !== 'interactive') return undefined;
  const accepted = underPolicy(session, organization);
  const parameters = { amr: ['mfa'], ...(maxAge === null ? {} : { max_age: maxAge }) };
  if (!hasMfa(accepted, nowSeconds)) return { ...reason('mfa_missing', 'organization', slug), parameters };
  if (maxAge === null || isFreshAt(accepted, maxAge, nowSeconds)) return undefined;
  return { ...reason('mfa_too_old', 'organization', slug, maxAge), parameters };
}
