/** What a login at an identity provider proves: the one thing of it that the rest of the server sees. Pure. */
import { SallyportError } from '../errors/sallyport-error.ts';
import type { Claims } from './claim-at.ts';

export interface LoginResult {
  readonly provider: { readonly slug: string; readonly name: string };
  readonly organizationSlug: string;
  readonly issuer: string;
  readonly subject: string;
  readonly accountName: string;
  readonly displayName: string;
  readonly groups: readonly string[];
  /** As the provider says it. */
  readonly amr: readonly string[];
  readonly acr: string | null;
  /** Of a provider that does not say it: when it vouched for the person. No second factor counts then. */
  readonly authTime: Date;
  /** Whether the login was multi-factor, by this provider's own mapping and nobody else's. */
  readonly mfa: boolean;
  /** RFC 8176 names after the mapping; none without `mfa`. */
  readonly mfaMethods: readonly string[];
  /** The provider's name of its session with the person (OpenID Connect Back-Channel Logout 1.0 section 2.1). */
  readonly upstreamSid: string | null;
  readonly refreshToken: string | null;
  /** When this login was started here. */
  readonly startedAt: Date;
  /** What startLogin was given; has `kind`. */
  readonly purpose: Readonly<Record<string, unknown>>;
}

/** Clocks of two machines differ by this much at most. */
export const clockToleranceSeconds = 60;

export interface AuthTimeDemand {
  readonly nowSeconds: number;
  /** The login must be no older; null: any age within max_age, which was checked before. */
  readonly freshSinceSeconds: number | null;
  /** Whether the provider was asked for it, by max_age; it must answer then (OpenID Connect Core section 2). */
  readonly required: boolean;
}

/**
 * When the person proved who they are; null if this provider does not say and was not asked.
 * @throws login_rejected
 */
export function authTimeFrom(claims: Claims, demand: AuthTimeDemand): Date | null {
  const { nowSeconds, freshSinceSeconds, required } = demand;
  const authTime = claims['auth_time'];
  if (authTime === undefined && !required) return null;
  if (typeof authTime !== 'number' || !Number.isSafeInteger(authTime) || authTime < 0) {
    throw rejected(
      'The identity provider does not say when you logged in (claim auth_time). Its administrator can switch that on.',
    );
  }
  if (authTime > nowSeconds + clockToleranceSeconds) {
    throw rejected(
      'The identity provider says that you logged in in the future. One of the clocks is wrong.',
    );
  }
  if (freshSinceSeconds !== null && authTime < freshSinceSeconds - clockToleranceSeconds) {
    throw rejected('The identity provider used an earlier login, but this needs a new one. Start again.');
  }
  return new Date(authTime * 1000);
}

/**
 * What openid-client leaves open: an authorized party is us even where we are the only audience (OpenID Connect Core
 * section 3.1.3.7, number 5), and a subject is as section 2 says. @throws login_rejected
 */
export function requireOurs(claims: Claims, clientId: string): void {
  const { azp, sub } = claims;
  if (azp !== undefined && azp !== clientId) {
    throw rejected('The identity provider vouched for you to somebody else. Start again.', 'azp');
  }
  if (typeof sub !== 'string' || !/^[\x20-\x7e]{1,255}$/.test(sub)) {
    throw rejected('The identity provider sent a subject that is not acceptable.', 'sub');
  }
}

/** When the ID token was made; openid-client has seen that it is there. @throws login_rejected from the future */
export function issuedAtFrom(claims: Claims, nowSeconds: number): Date {
  const issuedAt = claims['iat'];
  if (typeof issuedAt === 'number' && issuedAt <= nowSeconds + clockToleranceSeconds) {
    return new Date(Math.floor(issuedAt) * 1000);
  }
  throw rejected('The identity provider vouches for you in the future. One of the clocks is wrong.');
}

export function rejected(message: string, detail?: string): SallyportError {
  return new SallyportError('login_rejected', message, detail === undefined ? {} : { detail });
}
