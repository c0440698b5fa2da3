import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { createAccessRule, rulesOfOrganization } from '../inventory/access-rules.ts';
import type { AccessRuleFacts } from '../policy/facts.ts';
import type { SetupDocument } from './setup-document.ts';

type RuleSetup = SetupDocument['access_rules'][number];

/** Adds the rules that are missing. @throws not_found for a project, environment or account that there is not */
export async function applyAccessRules(
  tx: Tx,
  organizationId: string,
  rules: readonly RuleSetup[],
): Promise<void> {
  const present = await rulesOfOrganization(tx, organizationId);
  for (const rule of rules) {
    if (present.some((other) => isSame(rule, other))) continue;
    const projectId = await projectOf(tx, organizationId, rule);
    await createAccessRule(tx, {
      organizationId,
      role: rule.role,
      projectId,
      environmentId: projectId === null ? null : await environmentOf(tx, projectId, rule),
      subject:
        rule.group === undefined ? { accountId: await accountOf(tx, rule.account) } : { group: rule.group },
    });
  }
}

/** A rule that ends some day is not the one that the document means, which never ends. */
function isSame(rule: RuleSetup, other: AccessRuleFacts): boolean {
  const { role, project = null, environment = null } = rule;
  const { subject } = other;
  return (
    other.role === role &&
    other.project === project &&
    other.environment === environment &&
    other.expiresAtSeconds === null &&
    ('group' in subject ? subject.group === rule.group : subject.account === rule.account)
  );
}

async function projectOf(tx: Tx, organizationId: string, { project }: RuleSetup): Promise<string | null> {
  if (project === undefined) return null;
  const found = await tx
    .selectFrom('projects')
    .select('id')
    .where('organization_id', '=', organizationId)
    .where('slug', '=', project)
    .executeTakeFirst();
  if (found) return found.id;
  throw new SallyportError('not_found', `An access rule names the project "${project}", which there is not.`);
}

async function environmentOf(
  tx: Tx,
  projectId: string,
  { environment, project }: RuleSetup,
): Promise<string | null> {
  if (environment === undefined) return null;
  const found = await tx
    .selectFrom('environments')
    .select('id')
    .where('project_id', '=', projectId)
    .where('slug', '=', environment)
    .executeTakeFirst();
  if (found) return found.id;
  throw new SallyportError(
    'not_found',
    `An access rule names the environment "${environment}", which is not in the project "${project}".`,
  );
}

async function accountOf(tx: Tx, name = ''): Promise<string> {
  const found = await tx.selectFrom('accounts').select('id').where('name', '=', name).executeTakeFirst();
  if (found) return found.id;
  throw new SallyportError(
    'not_found',
    `An access rule names the account ${name}, which has never logged in. Let that person run sally login once, then run setup again; or give the rule to a group.`,
  );
}
