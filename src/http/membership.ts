/** An account's place in its organization, read from the database at this moment. */
import { loadAccount } from '../accounts/account.ts';
import type { Tx } from '../database/database.ts';
import { rulesForAccount } from '../inventory/access-rules.ts';
import type { Role } from '../policy/facts.ts';
import { organizationRole } from '../policy/organization-role.ts';
import { limitedRole } from '../policy/roles.ts';
import type { Membership } from './callers.ts';

/** @param roleLimit the highest role that the session may use; null: whatever the account has @throws not_found */
export async function membershipOf(
  tx: Tx,
  accountId: string,
  now: Date,
  roleLimit: Role | null = null,
): Promise<Membership> {
  const account = await loadAccount(tx, accountId);
  const rules = await rulesForAccount(tx, accountId);
  const { slug } = account.organization;
  const role = organizationRole(rules, account.facts, slug, Math.floor(now.getTime() / 1000));
  return {
    account: account.facts.name,
    organizationId: account.organizationId,
    organization: slug,
    role: limitedRole(role, roleLimit),
  };
}
