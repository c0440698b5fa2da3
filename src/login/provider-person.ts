/** From a provider's claims to a person: who may log in, under what name, in which groups. */
import type { GuardedFetch } from '../outbound/guarded-fetch.ts';
import { accountNameFrom, isEmail, parseAccountTemplate } from './account-template.ts';
import { requireAllowedClaims } from './allowed-claims.ts';
import { type Claims, claimAt, topLevelClaim } from './claim-at.ts';
import { fetchGroups } from './fetch-groups.ts';
import { groupsFrom, groupsUnknown, prefixed } from './groups.ts';
import type { ProviderSettings } from './provider-settings.ts';

export interface Person {
  readonly accountName: string;
  readonly displayName: string;
  readonly groups: readonly string[];
}

/** Whether `claims` lack something that the provider may tell at its userinfo endpoint. */
export function lacksClaims(claims: Claims, settings: ProviderSettings): boolean {
  return claimsWanted(settings).some((name) => claims[name] === undefined);
}

/**
 * @param accessToken for groups that have to be fetched
 * @throws login_rejected, name_refused; login_provider_error if groups can't be fetched
 */
export async function personFrom(
  claims: Claims,
  settings: ProviderSettings,
  { fetch, accessToken }: { readonly fetch: GuardedFetch; readonly accessToken: string },
): Promise<Person> {
  requireAllowedClaims(settings, claims);
  const accountName = accountNameFrom(settings, claims);
  const name = claimAt(claims, settings.claims.name);
  return {
    accountName,
    displayName: typeof name === 'string' && name.trim() !== '' ? name : accountName,
    groups: await groupsOf(),
  };

  async function groupsOf(): Promise<readonly string[]> {
    const found = groupsFrom(claims, settings);
    if (found.kind === 'known') return found.groups;
    const { overage } = settings.groups;
    // Groups only ever allow, but a part of them may be what somebody's limits rest on.
    if (overage === 'refuse') throw groupsUnknown();
    return prefixed(await fetchGroups(overage.fetch, accessToken, fetch), settings);
  }
}

/** Names of the claims themselves, not of what is within them. */
function claimsWanted({ claims, emailDomains, requiredClaims }: ProviderSettings): string[] {
  const account = parseAccountTemplate(claims.account)?.claim ?? claims.account;
  const usesEmail = emailDomains !== null || isEmail(account);
  return [
    ...[account, claims.name, claims.groups, ...Object.keys(requiredClaims)].map(topLevelClaim),
    ...(usesEmail ? ['email', 'email_verified'] : []),
  ];
}
