/** What tests of a policy are decided from: the organization as it is, or as it would be under an inventory document. */
import { type Account, loadAccount, loadAccounts } from '../accounts/account.ts';
import type { PolicyTestRequest } from '../api/policy-test.ts';
import type { Database, Tx } from '../database/database.ts';
import { inRehearsal, inSnapshot } from '../database/transaction.ts';
import { rulesOfOrganization } from '../inventory/access-rules.ts';
import { appByName } from '../inventory/app-by-name.ts';
import { rehearseChanges } from '../inventory/apply-changes.ts';
import { planDocument } from '../inventory/plan-document.ts';
import { targetsOfOrganization } from '../inventory/target.ts';
import type { AppFacts } from '../policy/decide-app.ts';
import type { AccessRuleFacts, AccountFacts, OrganizationFacts, TargetFacts } from '../policy/facts.ts';
import type { AdminCaller } from './callers.ts';

export interface PolicyFacts {
  readonly organization: OrganizationFacts;
  readonly rules: readonly AccessRuleFacts[];
  readonly targets: ReadonlyMap<string, TargetFacts>;
  readonly apps: ReadonlyMap<string, AppFacts>;
  /** By name. */
  readonly accounts: ReadonlyMap<string, AccountFacts>;
}

/** @throws whatever speaks against the document */
export async function policyFacts(
  db: Database,
  caller: AdminCaller,
  request: PolicyTestRequest,
  now: Date,
): Promise<PolicyFacts> {
  const { document, prune } = request;
  if (document === undefined) return await inSnapshot(db, (tx) => load(tx, caller, request));
  const { organizationId, account: by } = caller;
  return await inRehearsal(db, async (tx) => {
    const { changes } = await planDocument(tx, organizationId, document, { prune });
    await rehearseChanges({ tx, organizationId, by, now }, changes);
    return await load(tx, caller, request);
  });
}

async function load(
  tx: Tx,
  { organizationId, accountId }: AdminCaller,
  { cases }: PolicyTestRequest,
): Promise<PolicyFacts> {
  const { organization } = await loadAccount(tx, accountId);
  const found = await targetsOfOrganization(tx, organizationId);
  const targets = new Map(found.map((target) => [target.targetName, target]));
  const apps = new Map<string, AppFacts>();
  for (const name of new Set(cases.map(({ target }) => target))) {
    const app = targets.has(name) ? undefined : await appByName(tx, organizationId, name);
    if (app) apps.set(name, app);
  }
  const rules = await rulesOfOrganization(tx, organizationId);
  return { organization, rules, targets, apps, accounts: await accountsNamed(tx, organizationId, cases) };
}

async function accountsNamed(
  tx: Tx,
  organizationId: string,
  cases: PolicyTestRequest['cases'],
): Promise<ReadonlyMap<string, AccountFacts>> {
  const names = [...new Set(cases.flatMap(({ account }) => account ?? []))];
  if (names.length === 0) return new Map();
  const rows = await tx
    .selectFrom('accounts')
    .select('id')
    .where('organization_id', '=', organizationId)
    .where('name', 'in', names)
    .execute();
  const accounts: ReadonlyMap<string, Account> = await loadAccounts(
    tx,
    rows.map(({ id }) => id),
  );
  return new Map([...accounts.values()].map(({ facts }) => [facts.name, facts]));
}
