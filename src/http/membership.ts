/** An account's place in its organization, read from the database at this moment. */
import { loadAccount } from '../accounts/account.ts';
import type { Tx } from '../database/database.ts';
import { rulesForAccount } from '../inventory/access-rules.ts';
import { organizationRole } from '../policy/organization-role.ts';
import type { Membership } from './callers.ts';

/** @throws not_found */
export async function membershipOf(tx: Tx, accountId: string, now: Date): Promise<Membership> {
  const account = await loadAccount(tx, accountId);
  const rules = await rulesForAccount(tx, accountId);
  const { slug } = account.organization;
  return {
    account: account.facts.name,
    organizationId: account.organizationId,
    organization: slug,
    role: organizationRole(rules, account.facts, slug, Math.floor(now.getTime() / 1000)),
  };
}
