/** Whether a login counts as multi-factor, and whether its second factor is still fresh enough. */
import type { AssuranceFacts, MfaSource, OrganizationFacts, SessionFacts } from './facts.ts';

/** Clocks of an identity provider and ours may differ by this much. */
const clockSkewSeconds = 300;

/**
 * Whether the session's login was multi-factor. Tokens, continuous integration and hops prove possession of one secret,
 * whatever their claims say; a second factor from the future, beyond what clocks differ by, proves nothing.
 */
export function hasMfa({ mode, assurance }: SessionFacts, nowSeconds: number): boolean {
  return mode === 'interactive' && assurance.mfa && mfaTime(assurance) <= nowSeconds + clockSkewSeconds;
}

/** Whether the second factor is at most `maxAgeSeconds` old at a moment; null: any age will do. */
export function isFreshAt(
  { assurance }: SessionFacts,
  maxAgeSeconds: number | null,
  atSeconds: number,
): boolean {
  return maxAgeSeconds === null || atSeconds - mfaTime(assurance) <= maxAgeSeconds;
}

/** The last second in which the second factor is still at most so old. */
export function freshUntil({ assurance }: SessionFacts, maxAgeSeconds: number | null): number {
  return maxAgeSeconds === null ? Number.POSITIVE_INFINITY : mfaTime(assurance) + maxAgeSeconds;
}

function mfaTime({ mfaTimeSeconds, authTimeSeconds }: AssuranceFacts): number {
  return mfaTimeSeconds ?? authTimeSeconds;
}

/** What an organization takes for a second factor. */
export type MfaPolicy = Pick<OrganizationFacts, 'mfaSources' | 'mfaMethods'>;

/** Whether the organization takes this for a second factor: who vouches for it, and what it was. */
export function isAcceptable(
  { by, methods }: { readonly by: MfaSource | null; readonly methods: readonly string[] },
  { mfaSources, mfaMethods }: MfaPolicy,
): boolean {
  if (by === null || !mfaSources.includes(by)) return false;
  return mfaMethods === null || methods.some((method) => mfaMethods.includes(method));
}

/** The session as its organization sees it: a second factor that it does not take is none. */
export function underPolicy(session: SessionFacts, policy: MfaPolicy): SessionFacts {
  const { assurance } = session;
  const { mfaBy: by, mfaMethods: methods } = assurance;
  if (!assurance.mfa || isAcceptable({ by, methods }, policy)) return session;
  return {
    ...session,
    assurance: { ...assurance, mfa: false, mfaBy: null, mfaMethods: [], mfaTimeSeconds: null },
  };
}
