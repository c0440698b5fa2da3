/** Who has which role where. Roles only add up: of all rules that match, the highest role counts. */
import type { AccessRuleFacts, AccountFacts, Role } from './facts.ts';

const ranks: Readonly<Record<Role, number>> = { viewer: 1, contributor: 2, admin: 3 };

/** A place that roles are given on. null: the organization, or the project, as a whole. */
export interface Scope {
  readonly organization: string;
  readonly project: string | null;
  readonly environment: string | null;
}

export function roleSuffices(held: Role, needed: Role): boolean {
  return ranks[held] >= ranks[needed];
}

/** The role and those below it, the lowest first. */
export function rolesUpTo(role: Role): Role[] {
  return (['viewer', 'contributor', 'admin'] as const).filter((one) => roleSuffices(role, one));
}

/** The lower of the two; null: the account has no role. */
export function limitedRole(role: Role | null, limit: Role | null): Role | null {
  return role === null || limit === null || roleSuffices(limit, role) ? role : limit;
}

/**
 * The highest role of an account at a place, null if it has none. A rule on an organization holds for its projects, one
 * on a project for its environments. Rules never cross organizations: group names are an identity provider's own, and
 * another organization's provider may use the same ones.
 */
export function highestRole(
  rules: readonly AccessRuleFacts[],
  account: AccountFacts,
  scope: Scope,
  nowSeconds: number,
): Role | null {
  if (account.organization !== scope.organization) return null;
  let highest: Role | null = null;
  for (const rule of rules) {
    if (!isFor(rule, account) || !covers(rule, scope) || hasExpired(rule, nowSeconds)) continue;
    if (highest === null || roleSuffices(rule.role, highest)) highest = rule.role;
  }
  return highest;
}

/** Those that name the account or a group of its: the only ones that highestRole() heeds. */
export function rulesFor(rules: readonly AccessRuleFacts[], account: AccountFacts): AccessRuleFacts[] {
  return rules.filter((rule) => isFor(rule, account));
}

function isFor({ subject }: AccessRuleFacts, account: AccountFacts): boolean {
  return 'account' in subject ? subject.account === account.name : account.groups.includes(subject.group);
}

function covers(rule: AccessRuleFacts, scope: Scope): boolean {
  if (rule.organization !== scope.organization) return false;
  if (rule.project === null) return rule.environment === null;
  if (rule.project !== scope.project) return false;
  return rule.environment === null || rule.environment === scope.environment;
}

/** Written so that a time that is no number counts as expired. */
function hasExpired({ expiresAtSeconds }: AccessRuleFacts, nowSeconds: number): boolean {
  return expiresAtSeconds !== null && !(nowSeconds < expiresAtSeconds);
}
