import type { Database, Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { AccessRuleFacts, Role } from '../policy/facts.ts';
import { explained } from './broken-constraint.ts';
import { inventoryChanged } from './inventory-changed.ts';

export interface NewAccessRule {
  readonly organizationId: string;
  readonly subject: { readonly accountId: string } | { readonly group: string };
  readonly role: Role;
  /** null: every project. */
  readonly projectId?: string | null;
  /** null: every environment of the project. */
  readonly environmentId?: string | null;
  readonly expiresAt?: Date | null;
}

/** @returns its id @throws not_found if a part belongs to another organization; name_refused */
export async function createAccessRule(tx: Tx, rule: NewAccessRule): Promise<string> {
  const { organizationId, subject, role } = rule;
  const accountId = 'accountId' in subject ? subject.accountId : null;
  const groupName = 'group' in subject ? subject.group : null;
  if (groupName === '') throw new SallyportError('name_refused', 'The name of a group is empty.');
  const projectId = rule.projectId ?? null;
  const environmentId = rule.environmentId ?? null;
  await requireSameOrganization(tx, { organizationId, accountId, projectId, environmentId });
  const { id } = await explained(
    tx
      .insertInto('access_rules')
      .values({
        organization_id: organizationId,
        account_id: accountId,
        group_name: groupName,
        role,
        project_id: projectId,
        environment_id: environmentId,
        expires_at: rule.expiresAt ?? null,
      })
      .returning('id')
      .executeTakeFirstOrThrow(),
  );
  await inventoryChanged(tx, {
    organizationId,
    change: 'access rule created',
    name: `${role} for ${groupName === null ? `account ${accountId}` : `group ${groupName}`}`,
  });
  return id;
}

/** Every rule that names the account or one of its groups, those that have expired too: a decision explains them. */
export async function rulesForAccount(db: Database, accountId: string): Promise<AccessRuleFacts[]> {
  const rows = await ruleQuery(db)
    .innerJoin('accounts as subject', 'subject.organization_id', 'access_rules.organization_id')
    .where('subject.id', '=', accountId)
    .where((where) =>
      where.or([
        where('access_rules.account_id', '=', accountId),
        where(
          'access_rules.group_name',
          'in',
          where.selectFrom('account_groups').select('group_name').where('account_id', '=', accountId),
        ),
      ]),
    )
    .orderBy('access_rules.id')
    .execute();
  return rows.map(facts);
}

/** All rules of an organization: what its gateways decide with. */
export async function rulesOfOrganization(db: Database, organizationId: string): Promise<AccessRuleFacts[]> {
  const rows = await ruleQuery(db)
    .where('access_rules.organization_id', '=', organizationId)
    .orderBy('access_rules.id')
    .execute();
  return rows.map(facts);
}

type RuleRow = Awaited<ReturnType<ReturnType<typeof ruleQuery>['execute']>>[number];

function ruleQuery(db: Database) {
  return db
    .selectFrom('access_rules')
    .innerJoin('organizations', 'organizations.id', 'access_rules.organization_id')
    .leftJoin('accounts', 'accounts.id', 'access_rules.account_id')
    .leftJoin('projects', 'projects.id', 'access_rules.project_id')
    .leftJoin('environments', 'environments.id', 'access_rules.environment_id')
    .select([
      'accounts.name as account',
      'access_rules.group_name',
      'access_rules.role',
      'access_rules.expires_at',
      'organizations.slug as organization',
      'projects.slug as project',
      'environments.slug as environment',
    ]);
}

function facts(row: RuleRow): AccessRuleFacts {
  return {
    // The table's check makes exactly one of the two non-null; '' names no group.
    subject: row.account === null ? { group: row.group_name ?? '' } : { account: row.account },
    role: row.role,
    organization: row.organization,
    project: row.project,
    environment: row.environment,
    expiresAtSeconds: row.expires_at === null ? null : Math.floor(row.expires_at.getTime() / 1000),
  };
}

interface RuleParts {
  readonly organizationId: string;
  readonly accountId: string | null;
  readonly projectId: string | null;
  readonly environmentId: string | null;
}

async function requireSameOrganization(tx: Tx, parts: RuleParts): Promise<void> {
  const { organizationId, accountId, projectId, environmentId } = parts;
  if (accountId !== null) {
    const account = await tx
      .selectFrom('accounts')
      .select('id')
      .where('id', '=', accountId)
      .where('organization_id', '=', organizationId)
      .executeTakeFirst();
    if (!account) throw new SallyportError('not_found', 'There is no such account in this organization.');
  }
  if (projectId !== null) {
    const project = await tx
      .selectFrom('projects')
      .select('id')
      .where('id', '=', projectId)
      .where('organization_id', '=', organizationId)
      .executeTakeFirst();
    if (!project) throw new SallyportError('not_found', 'There is no such project in this organization.');
  }
  if (environmentId !== null) {
    const environment = await tx
      .selectFrom('environments')
      .select('id')
      .where('id', '=', environmentId)
      .where('project_id', '=', projectId ?? '00000000-0000-0000-0000-000000000000')
      .executeTakeFirst();
    if (!environment) throw new SallyportError('not_found', 'There is no such environment in this project.');
  }
}
