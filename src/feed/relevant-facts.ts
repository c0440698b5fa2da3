/** What a companion needs to know to decide about its targets, and nothing beyond. Pure. */
import type { AccessRuleFacts, AccountFacts, TargetFacts } from '../policy/facts.ts';

export interface RelevantFacts<Account extends AccountFacts = AccountFacts> {
  readonly accounts: readonly Account[];
  readonly rules: readonly AccessRuleFacts[];
}

/**
 * Rules that reach at least one of the targets and have not expired; accounts that one of them names, directly or by a
 * group; of their groups only those that a rule names. Everybody else is a stranger to the companion and refused.
 */
export function relevantFacts<Account extends AccountFacts>(
  targets: readonly Pick<TargetFacts, 'organization' | 'project' | 'environment'>[],
  { accounts, rules }: RelevantFacts<Account>,
  nowSeconds: number,
): RelevantFacts<Account> {
  const reaching = rules.filter(
    (rule) =>
      (rule.expiresAtSeconds === null || rule.expiresAtSeconds > nowSeconds) &&
      targets.some(
        (target) =>
          rule.organization === target.organization &&
          (rule.project === null || rule.project === target.project) &&
          (rule.environment === null || rule.environment === target.environment),
      ),
  );
  const names = new Set(reaching.flatMap(({ subject }) => ('account' in subject ? [subject.account] : [])));
  const groups = new Set(reaching.flatMap(({ subject }) => ('group' in subject ? [subject.group] : [])));
  return {
    rules: reaching,
    accounts: accounts
      .map((account) => ({ ...account, groups: account.groups.filter((group) => groups.has(group)) }))
      .filter((account) => names.has(account.name) || account.groups.length > 0),
  };
}
