/**
 * What a login still needs after the provider's reply: nothing, the provider once more, a passkey, or it is refused. Facts
 * in, decision out. The provider's word and ours are never mixed: whichever proves the second factor has to do it alone.
 */
import { isAcceptable, type MfaPolicy } from '../policy/assurance.ts';
import type { MfaSource, OrganizationFacts } from '../policy/facts.ts';
import type { LoginDemand } from './login-purpose.ts';

/** What is asked of logins by the organization. */
export type LoginPolicy = MfaPolicy & Pick<OrganizationFacts, 'mfaRequired' | 'mfaMaxAgeSeconds'>;

export interface SecondFactorFacts {
  readonly policy: LoginPolicy;
  readonly demand: LoginDemand;
  /** What the provider says of this login. */
  readonly provider: {
    readonly mfa: boolean;
    readonly methods: readonly string[];
    readonly authTimeSeconds: number;
    /** Whether it can be asked for more. */
    readonly canStepUp: boolean;
    /** Whether it has been asked once more already. */
    readonly wasAskedAgain: boolean;
  };
  /** Passkeys of the account: those that count, and all, also of models that the organization does not take any more. */
  readonly passkeys: { readonly usable: number; readonly enrolled: number };
  /** Whether a provider has vouched for a second factor of the account before. */
  readonly knownAtProvider: boolean;
  readonly nowSeconds: number;
}

export type SecondFactorDecision =
  | { readonly next: 'done'; readonly by: MfaSource | null }
  /** stepUp: for a second factor; else only for a new login. */
  | { readonly next: 'provider'; readonly stepUp: boolean }
  /** enrol: those that there are don't count, but whoever has them shows one before another is added. */
  | { readonly next: 'assert'; readonly after: 'finish' | 'enrol' }
  | { readonly next: 'enrol' }
  | { readonly next: 'refused'; readonly reason: 'no_source' | 'no_method' | 'left_out' | 'too_old' };

/** A passkey is enrolled only by who has just logged in. */
export const enrolWithinSeconds = 300;

/** What a passkey may say of itself (RFC 8176 section 2): in hardware or in software, and that it verified its person. */
export const passkeyMethods = { hardware: ['hwk', 'user', 'mfa'], software: ['swk', 'user', 'mfa'] } as const;

export function decideSecondFactor(facts: SecondFactorFacts): SecondFactorDecision {
  const { policy, demand, provider, passkeys } = facts;
  if (providerProves(facts)) return { next: 'done', by: 'provider' };
  if (!policy.mfaRequired && !demand.mfa) return { next: 'done', by: provider.mfa ? 'provider' : null };

  const mayAskProvider = policy.mfaSources.includes('provider') && !provider.wasAskedAgain;
  // Where it did assert one, only too old or of another kind, a new login may bring what is wanted.
  if (mayAskProvider && (provider.canStepUp || provider.mfa)) return { next: 'provider', stepUp: true };
  if (!policy.mfaSources.includes('passkey')) return { next: 'refused', reason: 'no_source' };
  if (!passkeyCanProve(facts)) return { next: 'refused', reason: 'no_method' };
  if (passkeys.usable > 0) return { next: 'assert', after: 'finish' };
  if (passkeys.enrolled === 0 && leavesOut(facts)) return { next: 'refused', reason: 'left_out' };
  if (!isFreshLogin(provider.authTimeSeconds, facts.nowSeconds)) {
    return provider.wasAskedAgain
      ? { next: 'refused', reason: 'too_old' }
      : { next: 'provider', stepUp: false };
  }
  return passkeys.enrolled > 0 ? { next: 'assert', after: 'enrol' } : { next: 'enrol' };
}

/**
 * Whether somebody who has a second factor at the provider came without it, although the provider can be asked for one.
 * The request for it goes through the browser, so whoever knows nothing but the password leaves it out: a first passkey
 * would be in place of the factor that is missing.
 */
export function leavesOut({
  policy,
  provider,
  knownAtProvider,
}: Pick<SecondFactorFacts, 'policy' | 'knownAtProvider'> & {
  readonly provider: Pick<SecondFactorFacts['provider'], 'mfa' | 'canStepUp'>;
}): boolean {
  return knownAtProvider && policy.mfaSources.includes('provider') && provider.canStepUp && !provider.mfa;
}

/** Whether the login is young enough to enrol a passkey. */
export function isFreshLogin(authTimeSeconds: number, nowSeconds: number): boolean {
  return nowSeconds - authTimeSeconds <= enrolWithinSeconds;
}

/** Oldest second factor that will do, in seconds; null: any. */
export function mfaMaxAge({ policy, demand }: Pick<SecondFactorFacts, 'policy' | 'demand'>): number | null {
  const ages = [policy.mfaMaxAgeSeconds, demand.maxAgeSeconds].filter((age) => age !== null);
  return ages.length > 0 ? Math.min(...ages) : null;
}

/** Whether a second factor of these methods is what the organization and whoever asks for the login accept. */
export function isWanted(
  factor: { readonly by: MfaSource; readonly methods: readonly string[] },
  { policy, demand }: Pick<SecondFactorFacts, 'policy' | 'demand'>,
): boolean {
  const { methods: demanded } = demand;
  return (
    isAcceptable(factor, policy) &&
    (demanded === null || factor.methods.some((method) => demanded.includes(method)))
  );
}

function providerProves(facts: SecondFactorFacts): boolean {
  const { provider, nowSeconds } = facts;
  if (!provider.mfa || !isWanted({ by: 'provider', methods: provider.methods }, facts)) return false;
  const maxAge = mfaMaxAge(facts);
  return maxAge === null || nowSeconds - provider.authTimeSeconds <= maxAge;
}

function passkeyCanProve(facts: SecondFactorFacts): boolean {
  return Object.values(passkeyMethods).some((methods) => isWanted({ by: 'passkey', methods }, facts));
}
