/** Whether a login counts as multi-factor, and whether it is still fresh enough. */
import type { SessionFacts } from './facts.ts';

/** Clocks of an identity provider and ours may differ by this much. */
const clockSkewSeconds = 300;

/**
 * Whether the session's login was multi-factor. Tokens, continuous integration and hops prove possession of one secret,
 * whatever their claims say; a login from the future, beyond what clocks differ by, proves nothing.
 */
export function hasMfa({ mode, assurance }: SessionFacts, nowSeconds: number): boolean {
  return (
    mode === 'interactive' && assurance.mfa && assurance.authTimeSeconds <= nowSeconds + clockSkewSeconds
  );
}

/** Whether the login is at most `maxAgeSeconds` old at a moment; null: any age will do. */
export function isFreshAt(
  { assurance }: SessionFacts,
  maxAgeSeconds: number | null,
  atSeconds: number,
): boolean {
  return maxAgeSeconds === null || atSeconds - assurance.authTimeSeconds <= maxAgeSeconds;
}
