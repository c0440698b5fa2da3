/** The rows of CI rules. */

import type { CiSystem } from '../api/ci-rules.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Database, Tx } from '../database/database.ts';
import { isUuid } from '../database/uuid.ts';
import { violatedConstraint } from '../database/violated-constraint.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { Role } from '../policy/facts.ts';
import { endSessionsOfCredential } from '../sessions/end-sessions.ts';
import type { RuleToCheck } from './check-ci-rule.ts';
import type { RevokedCredential } from './revoke-api-token.ts';

export interface CiRule extends RuleToCheck {
  readonly id: string;
  readonly organizationId: string;
  readonly organization: string;
  readonly accountId: string;
  /** The machine account that a matching token becomes. */
  readonly account: string;
  readonly accountDisabled: boolean;
  readonly name: string;
  readonly roleLimit: Role;
  readonly lifetimeSeconds: number;
  readonly createdBy: string;
  readonly createdAt: Date;
}

export interface NewCiRule extends RuleToCheck {
  readonly organizationId: string;
  readonly name: string;
  readonly account: string;
  readonly roleLimit: Role;
  readonly lifetimeSeconds: number;
  readonly by: string;
}

const mostRules = 200;

/** @param rule went through checkCiRule() @returns its id @throws not_found, name_taken, forbidden */
export async function createCiRule(tx: Tx, rule: NewCiRule, now: Date): Promise<string> {
  const { organizationId, name, system, issuer, audience, claims, roleLimit, by } = rule;
  const account = await machineAccount(tx, rule);
  if ((await listCiRules(tx, organizationId)).length >= mostRules) {
    throw new SallyportError(
      'forbidden',
      `There are ${mostRules} CI rules, the most there may be. Remove some.`,
    );
  }
  const { id } = await tx
    .insertInto('ci_rules')
    .values({
      organization_id: organizationId,
      account_id: account.id,
      name,
      system,
      issuer,
      audience,
      claims: JSON.stringify(claims),
      role_limit: roleLimit,
      lifetime_seconds: rule.lifetimeSeconds,
      created_by: by,
      created_at: now,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
    .catch((error: unknown) => {
      if (violatedConstraint(error) !== 'ci_rules_name_key') throw error;
      throw new SallyportError('name_taken', `There is a CI rule ${name} already. Choose another name.`);
    });
  await recordEvent(tx, {
    event: 'ci_rule.created',
    organizationId,
    accountId: account.id,
    facts: { rule: name, issuer, account: account.name, by, audience, claims, role_limit: roleLimit },
  });
  return id;
}

async function machineAccount(tx: Tx, { organizationId, account }: NewCiRule) {
  const row = await tx
    .selectFrom('accounts')
    .select(['id', 'name', 'disabled_at'])
    .where('organization_id', '=', organizationId)
    .where('name', '=', account)
    .where('kind', '=', 'machine')
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (row === undefined) {
    throw new SallyportError('not_found', `There is no machine account ${account}. Make it first.`);
  }
  if (row.disabled_at !== null) throw new SallyportError('forbidden', `The account ${account} is disabled.`);
  return row;
}

/** By name. */
export async function listCiRules(db: Database, organizationId: string): Promise<CiRule[]> {
  const rows = await ruleQuery(db)
    .where('ci_rules.organization_id', '=', organizationId)
    .orderBy('ci_rules.name')
    .execute();
  return rows.map(ruleOf);
}

/** Those of every organization that name the issuer, to the letter. */
export async function ciRulesOfIssuer(db: Database, issuer: string): Promise<CiRule[]> {
  const rows = await ruleQuery(db).where('issuer', '=', issuer).orderBy('ci_rules.id').execute();
  return rows.map(ruleOf);
}

/** Whoever holds the lock uses the rule or removes it. Undefined if it was removed. */
export async function lockCiRule(tx: Tx, id: string): Promise<CiRule | undefined> {
  if (!isUuid(id)) return undefined;
  const row = await ruleQuery(tx).where('ci_rules.id', '=', id).forNoKeyUpdate('ci_rules').executeTakeFirst();
  return row && ruleOf(row);
}

/** With it end its sessions and their certificates, in this transaction. @throws not_found */
export async function removeCiRule(
  tx: Tx,
  { id, organizationId, by }: { readonly id: string; readonly organizationId: string; readonly by: string },
  now: Date,
): Promise<RevokedCredential> {
  const rule = await lockCiRule(tx, id);
  if (rule?.organizationId !== organizationId) {
    throw new SallyportError('not_found', 'There is no CI rule with this id.');
  }
  await tx.updateTable('ci_rules').set({ removed_at: now }).where('id', '=', id).execute();
  const end = { credentialId: id, reason: 'credential_revoked', by };
  const { sessions, version } = await endSessionsOfCredential(tx, end, now);
  await recordEvent(tx, {
    event: 'ci_rule.removed',
    organizationId,
    accountId: rule.accountId,
    facts: { rule: rule.name, issuer: rule.issuer, account: rule.account, by, sessions_ended: sessions },
  });
  return { sessionsEnded: sessions, version: sessions > 0 ? version : null };
}

function ruleQuery(db: Database) {
  return db
    .selectFrom('ci_rules')
    .innerJoin('accounts', 'accounts.id', 'ci_rules.account_id')
    .innerJoin('organizations', 'organizations.id', 'ci_rules.organization_id')
    .select([
      'ci_rules.id',
      'ci_rules.organization_id',
      'organizations.slug as organization',
      'ci_rules.account_id',
      'accounts.name as account',
      'accounts.disabled_at',
      'ci_rules.name',
      'system',
      'issuer',
      'audience',
      'claims',
      'role_limit',
      'lifetime_seconds',
      'created_by',
      'ci_rules.created_at',
    ])
    .where('removed_at', 'is', null);
}

type RuleRow = Awaited<ReturnType<ReturnType<typeof ruleQuery>['execute']>>[number];

function ruleOf(row: RuleRow): CiRule {
  return {
    id: row.id,
    organizationId: row.organization_id,
    organization: row.organization,
    accountId: row.account_id,
    account: row.account,
    accountDisabled: row.disabled_at !== null,
    name: row.name,
    system: row.system satisfies CiSystem,
    issuer: row.issuer,
    audience: row.audience,
    claims: row.claims,
    roleLimit: row.role_limit,
    lifetimeSeconds: row.lifetime_seconds,
    createdBy: row.created_by,
    createdAt: row.created_at,
  };
}
