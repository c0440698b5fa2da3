/** Who may see and do what in the organization as a whole: its sessions, its people, its inventory. */
import type { AccessRuleFacts, AccountFacts, Role } from './facts.ts';
import { highestRole } from './roles.ts';

/**
 * The account's role on a whole organization; null if it has none or is disabled. Roles on a project or an environment
 * do not count.
 * @param organization its slug
 */
export function organizationRole(
  rules: readonly AccessRuleFacts[],
  account: AccountFacts,
  organization: string,
  nowSeconds: number,
): Role | null {
  if (account.disabled) return null;
  return highestRole(rules, account, { organization, project: null, environment: null }, nowSeconds);
}
