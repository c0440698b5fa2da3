/** From the identity provider's claims to what the rest of Sallyport believes of a person. Pure. */
import { canonicalAccountName } from '../accounts/identity.ts';
import { SallyportError } from '../errors/sallyport-error.ts';

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
  readonly authTime: Date;
  /** Whether the login was multi-factor, by this provider's own mapping and nobody else's. */
  readonly mfa: boolean;
  /** RFC 8176 names after the mapping; none without `mfa`. */
  readonly mfaMethods: readonly string[];
  /** The provider's name of its session with the person (OpenID Connect Back-Channel Logout 1.0 section 2.1). */
  readonly upstreamSid: string | null;
  readonly refreshToken: string | null;
  readonly idToken: string;
  /** When this login was started here. */
  readonly startedAt: Date;
  /** What startLogin was given; has `kind`. */
  readonly purpose: Readonly<Record<string, unknown>>;
}

export interface ClaimNames {
  readonly account: string;
  readonly name: string;
  readonly groups: string;
}

export type Claims = Readonly<Record<string, unknown>>;

/** Clocks of two machines differ by this much at most. */
export const clockToleranceSeconds = 60;

export interface Profile {
  readonly accountName: string;
  readonly displayName: string;
  readonly groups: readonly string[];
}

/** Whether `claims` lack something that the provider may tell at its userinfo endpoint. */
export function lacksProfile(claims: Claims, names: ClaimNames): boolean {
  return Object.values(names).some((name) => claims[name] === undefined);
}

/**
 * Name and groups. An absent group list is empty; one that can't be read as a whole is refused, since a part of it may
 * have been what somebody relied on.
 * @throws login_rejected, name_refused
 */
export function profileFrom(claims: Claims, names: ClaimNames): Profile {
  const account = claims[names.account];
  if (typeof account !== 'string') {
    throw rejected(
      `The identity provider did not send the claim "${names.account}" that your account is named by. ` +
        'The operator of this server can choose another claim or ask for another scope.',
    );
  }
  // Some providers send the flag as text.
  const verified = claims['email_verified'];
  if (names.account === 'email' && verified !== undefined && verified !== true && verified !== 'true') {
    throw rejected('The identity provider has not verified your e-mail address. Verify it there first.');
  }
  const accountName = canonicalAccountName(account);
  const name = claims[names.name];
  return {
    accountName,
    displayName: typeof name === 'string' && name.trim() !== '' ? name : accountName,
    groups: groupsFrom(claims, names.groups),
  };
}

function groupsFrom(claims: Claims, claim: string): readonly string[] {
  // OpenID Connect Core section 5.6.2: the claim is somewhere else, as with too many groups at some providers.
  const elsewhere = claims['_claim_names'];
  if (typeof elsewhere === 'object' && elsewhere !== null && Object.hasOwn(elsewhere, claim)) {
    throw rejected(
      'You are in more groups than the identity provider sends. Its administrator can limit the groups of this login.',
    );
  }
  const groups = claims[claim] ?? [];
  if (Array.isArray(groups) && groups.every((group) => typeof group === 'string')) return groups;
  throw rejected(`The identity provider's claim "${claim}" is not a list of names.`);
}

/** `amr` only as OpenID Connect Core section 2 defines it, a list of strings; anything else counts as nothing said. */
export function amrFrom(claims: Claims): readonly string[] {
  const { amr } = claims;
  return Array.isArray(amr) && amr.every((method) => typeof method === 'string') ? amr : [];
}

/**
 * When the person proved who they are.
 * @param freshSinceSeconds the login must be no older; null: any age within max_age, which was checked before
 * @throws login_rejected
 */
export function authTimeFrom(claims: Claims, nowSeconds: number, freshSinceSeconds: number | null): Date {
  const authTime = claims['auth_time'];
  if (typeof authTime !== 'number' || !Number.isSafeInteger(authTime)) {
    throw rejected(
      'The identity provider does not say when you logged in (claim auth_time). Its administrator can switch that on.',
    );
  }
  const issuedAt = claims['iat'];
  const latest = nowSeconds + clockToleranceSeconds;
  if (authTime > latest || (typeof issuedAt === 'number' && issuedAt > latest)) {
    throw rejected(
      'The identity provider says that you logged in in the future. One of the clocks is wrong.',
    );
  }
  if (freshSinceSeconds !== null && authTime < freshSinceSeconds - clockToleranceSeconds) {
    throw rejected('The identity provider used an earlier login, but this needs a new one. Start again.');
  }
  return new Date(authTime * 1000);
}

export function rejected(message: string, detail?: string): SallyportError {
  return new SallyportError('login_rejected', message, detail === undefined ? {} : { detail });
}
