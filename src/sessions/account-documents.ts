/** Accounts as admins see them in lists. The type is the API's, which this folder may not import; the two must agree. */
import { sql } from 'kysely';
import { accountsOfOrganization } from '../accounts/account.ts';
import type { Tx } from '../database/database.ts';
import { rulesOfOrganization } from '../inventory/access-rules.ts';
import type { Role } from '../policy/facts.ts';
import { organizationRole } from '../policy/organization-role.ts';
import { liveAt } from './liveness.ts';
import { unixSeconds } from './session.ts';

/** api/accounts.ts `accountDocument`. Times are unix seconds. */
export interface AccountDocument {
  name: string;
  display_name: string;
  kind: 'person' | 'machine';
  disabled: boolean;
  /** On the whole organization. */
  role: Role | null;
  groups: string[];
  live_sessions: number;
  created_at: number;
  /** Until when the operator made them an admin in an emergency, and why. */
  break_glass: { expires_at: number; reason: string } | null;
}

/** By name. Read it in a snapshot. */
export async function listAccounts(tx: Tx, organizationId: string, now: Date): Promise<AccountDocument[]> {
  const facts = await accountsOfOrganization(tx, organizationId);
  const rules = await rulesOfOrganization(tx, organizationId);
  const rows = await tx
    .selectFrom('accounts')
    .select(['accounts.id', 'accounts.name', 'accounts.display_name', 'accounts.kind', 'accounts.created_at'])
    .select(
      sql<number>`(
        select count(*)::int from login_sessions where login_sessions.account_id = accounts.id and ${liveAt(now)}
      )`.as('live_sessions'),
    )
    .where('accounts.organization_id', '=', organizationId)
    .execute();
  const emergencies = await tx
    .selectFrom('break_glass')
    .innerJoin('access_rules', 'access_rules.id', 'break_glass.rule_id')
    .select(['break_glass.account_id', 'break_glass.reason', 'break_glass.expires_at'])
    .where('access_rules.organization_id', '=', organizationId)
    .where('break_glass.expires_at', '>', now)
    .orderBy('break_glass.expires_at')
    .execute();
  const byName = new Map(rows.map((row) => [row.name, row]));
  return facts.flatMap((account) => {
    const row = byName.get(account.name);
    if (row === undefined) return [];
    const emergency = emergencies.findLast(({ account_id }) => account_id === row.id);
    return {
      name: row.name,
      display_name: row.display_name,
      kind: row.kind,
      disabled: account.disabled,
      role: organizationRole(rules, account, account.organization, unixSeconds(now)),
      groups: [...account.groups],
      live_sessions: row.live_sessions,
      created_at: unixSeconds(row.created_at),
      break_glass: emergency
        ? { expires_at: unixSeconds(emergency.expires_at), reason: emergency.reason }
        : null,
    };
  });
}
