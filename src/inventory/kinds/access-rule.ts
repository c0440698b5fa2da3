/**
 * Access rules, known by whom they are for, on what, and the role: only the expiry of one changes. Emergency admins are
 * the operator's, and are not among them.
 */
import type { MembersOf } from '../../api/inventory-members.ts';
import type { Database, Tx } from '../../database/database.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { environmentIdOf, notThere, projectIdOf } from '../find-place.ts';
import { dotted, type Item, type KindStore, type Write } from './kind-store.ts';

type Members = MembersOf<'access_rule'>;

export const accessRules: KindStore<'access_rule'> = {
  /** Of several that differ in nothing but their end, the one that lasts longest. */
  async list(db, organizationId): Promise<Item<'access_rule'>[]> {
    const rows = await ruleQuery(db, organizationId).execute();
    const items = new Map<string, Item<'access_rule'>>();
    for (const { expires_at, ...row } of rows) {
      const members = { ...row, expires_at: expires_at === null ? null : momentText(expires_at) };
      const item = accessRuleItem(members);
      const other = items.get(item.name);
      if (other === undefined || lastsLonger(item, other)) items.set(item.name, item);
    }
    return [...items.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
  },

  async create(write, items) {
    for (const { name, members } of items) {
      const { tx, organizationId, now } = write;
      refusePast(members, now);
      const subject = await subjectOf(write, members);
      const place = await placeOf(write, members);
      if ((await idsOf(tx, organizationId, subject, members, place)).length > 0) {
        throw new SallyportError(
          'name_taken',
          `There is a rule already: ${name}. Change when it ends instead.`,
        );
      }
      const expires_at = members.expires_at === null ? null : new Date(members.expires_at);
      await tx
        .insertInto('access_rules')
        .values({ organization_id: organizationId, ...subject, ...place, role: members.role, expires_at })
        .execute();
    }
  },

  async change(write, { members }) {
    const { tx, organizationId, now } = write;
    refusePast(members, now);
    const subject = await subjectOf(write, members);
    const ids = await idsOf(tx, organizationId, subject, members, await placeOf(write, members));
    const expires_at = members.expires_at === null ? null : new Date(members.expires_at);
    await tx.updateTable('access_rules').set({ expires_at }).where('id', 'in', ids).execute();
  },

  async remove(write, { name, members }) {
    const { tx, organizationId } = write;
    const subject = await subjectOf(write, members);
    const ids = await idsOf(tx, organizationId, subject, members, await placeOf(write, members));
    if (ids.length === 0) throw notThere('access rule', [name]);
    await tx.deleteFrom('access_rules').where('id', 'in', ids).execute();
  },
};

export function accessRuleItem(members: Members): Item<'access_rule'> {
  const { group, account, role, project, environment } = members;
  const who = group === null ? `account ${account}` : `group ${group}`;
  const where = [project, environment].filter((part) => part !== null);
  const name = `${role} for ${who}${where.length > 0 ? ` on ${dotted(...where)}` : ''}`;
  return { kind: 'access_rule', name, path: [], members: { ...members } };
}

function lastsLonger(item: Item<'access_rule'>, other: Item<'access_rule'>): boolean {
  const [end, otherEnd] = [item.members.expires_at, other.members.expires_at];
  return otherEnd !== null && (end === null || end > otherEnd);
}

/** To the second, as decisions read it. */
export function momentText(moment: Date): string {
  return `${moment.toISOString().slice(0, 19)}Z`;
}

function ruleQuery(db: Database, organizationId: string) {
  return db
    .selectFrom('access_rules')
    .leftJoin('accounts', 'accounts.id', 'access_rules.account_id')
    .leftJoin('projects', 'projects.id', 'access_rules.project_id')
    .leftJoin('environments', 'environments.id', 'access_rules.environment_id')
    .leftJoin('break_glass', 'break_glass.rule_id', 'access_rules.id')
    .select(['access_rules.group_name as group', 'accounts.name as account', 'access_rules.role'])
    .select(['projects.slug as project', 'environments.slug as environment', 'access_rules.expires_at'])
    .where('access_rules.organization_id', '=', organizationId)
    .where('break_glass.rule_id', 'is', null);
}

function refusePast({ expires_at }: Members, now: Date): void {
  if (expires_at === null || Date.parse(expires_at) > now.getTime()) return;
  throw new SallyportError(
    'request_malformed',
    `A rule can't end at ${expires_at}, which is past. Remove it.`,
  );
}

interface Subject {
  readonly account_id: string | null;
  readonly group_name: string | null;
}

interface Place {
  readonly project_id: string | null;
  readonly environment_id: string | null;
}

async function subjectOf({ tx, organizationId }: Write, { group, account }: Members): Promise<Subject> {
  if (group !== null) return { group_name: group, account_id: null };
  const row = await tx
    .selectFrom('accounts')
    .select('id')
    .where('organization_id', '=', organizationId)
    .where('name', '=', account ?? '')
    .executeTakeFirst();
  if (row) return { account_id: row.id, group_name: null };
  throw new SallyportError(
    'not_found',
    `An access rule names the account ${account}, which your organization does not have. People have one after their first sally login; or give the rule to a group.`,
  );
}

async function placeOf({ tx, organizationId }: Write, { project, environment }: Members): Promise<Place> {
  if (project === null) return { project_id: null, environment_id: null };
  const project_id = await projectIdOf(tx, organizationId, [project]);
  if (environment === null) return { project_id, environment_id: null };
  return { project_id, environment_id: await environmentIdOf(tx, organizationId, [project, environment]) };
}

async function idsOf(
  tx: Tx,
  organizationId: string,
  { account_id, group_name }: Subject,
  { role }: Members,
  { project_id, environment_id }: Place,
): Promise<string[]> {
  const rows = await tx
    .selectFrom('access_rules')
    .leftJoin('break_glass', 'break_glass.rule_id', 'access_rules.id')
    .select('access_rules.id')
    .where('organization_id', '=', organizationId)
    .where('break_glass.rule_id', 'is', null)
    .where('role', '=', role)
    .where('access_rules.account_id', 'is not distinct from', account_id)
    .where('group_name', 'is not distinct from', group_name)
    .where('project_id', 'is not distinct from', project_id)
    .where('environment_id', 'is not distinct from', environment_id)
    .execute();
  return rows.map(({ id }) => id);
}
