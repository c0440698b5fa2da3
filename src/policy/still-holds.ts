/**
 * Whether a certificate that was narrowed to an environment still says what is so. Hosts without a companion ask nobody;
 * what is not so any more must be taken from them by the revocation list.
 */
import { mfaPrefix, rolePrincipal } from '../ssh/names.ts';
import { hasMfa, isFreshAt, underPolicy } from './assurance.ts';
import type { NarrowedFacts } from './decide-narrowed.ts';
import { highestRole, limitedRole, rolesUpTo } from './roles.ts';

/** What the certificate says. */
export interface NarrowedCertificate {
  readonly principals: readonly string[];
  readonly validBeforeSeconds: number;
}

/** @param facts of now, with the login as it was when the certificate was issued */
export function stillHolds(
  { principals, validBeforeSeconds }: NarrowedCertificate,
  facts: NarrowedFacts,
  nowSeconds: number,
): boolean {
  const { account, organization, environment, rules } = facts;
  if (account.disabled || environment === undefined) return false;
  if (!Object.values(environment.sshEnabled).every(Boolean)) return false;
  if (environment.peopleOnly && facts.session.mode !== 'interactive') return false;

  const session = underPolicy(facts.session, organization);
  const hasMfaToTheEnd =
    hasMfa(session, nowSeconds) && isFreshAt(session, environment.mfaMaxAgeSeconds, validBeforeSeconds);
  if (environment.mfaRequired && !hasMfaToTheEnd) return false;

  const role = limitedRole(highestRole(rules, account, environment, nowSeconds), session.roleLimit);
  const held = new Set(
    role === null ? [] : rolesUpTo(role).map((one) => rolePrincipal({ ...environment, role: one })),
  );
  return principals
    .filter((name) => name.includes('role:'))
    .every((name) =>
      name.startsWith(mfaPrefix) ? hasMfaToTheEnd && held.has(name.slice(mfaPrefix.length)) : held.has(name),
    );
}
