/**
 * Who would still be an admin of an organization without one of them: somebody must be, or nobody could let anyone in
 * again. Machines log in to no console, and an admin for a while is gone soon, so neither counts.
 */
import { accountsOfOrganization } from '../accounts/account.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { AccessRuleFacts, AccountFacts } from '../policy/facts.ts';
import { organizationRole } from '../policy/organization-role.ts';
import { rulesOfOrganization } from './access-rules.ts';

export interface OrganizationAdmins {
  /** Its slug. */
  readonly organization: string;
  readonly rules: readonly AccessRuleFacts[];
  readonly people: readonly AccountFacts[];
}

/** Names of those who are admins for good. */
export function lastingAdmins({ organization, rules, people }: OrganizationAdmins): string[] {
  const lasting = rules.filter(({ expiresAtSeconds }) => expiresAtSeconds === null);
  return people
    .filter((person) => organizationRole(lasting, person, organization, 0) === 'admin')
    .map(({ name }) => name);
}

/** Whether an account is the only one left. */
export function isLastAdmin(admins: OrganizationAdmins, account: string): boolean {
  const names = lastingAdmins(admins);
  return names.length === 1 && names[0] === account;
}

/**
 * For whatever takes the role from an account. Locks the organization: of two admins who disable each other at the same
 * moment, the second is refused. Call it before the account is locked.
 * @throws forbidden
 */
export async function requireOtherAdmin(
  tx: Tx,
  { organizationId, account }: { readonly organizationId: string; readonly account: string },
): Promise<void> {
  const admins = await organizationAdmins(tx, organizationId);
  if (!isLastAdmin(admins, account)) return;
  throw new SallyportError(
    'forbidden',
    `${account} is the only admin of ${admins.organization}: without one nobody could let anyone in again. Make somebody else an admin first.`,
  );
}

/**
 * For whatever changes rules: runs `work` and refuses it if there was an admin for good before and is none after.
 * @throws forbidden
 */
export async function requireLastingAdmin(
  tx: Tx,
  organizationId: string,
  work: () => Promise<void>,
): Promise<void> {
  const before = lastingAdmins(await organizationAdmins(tx, organizationId));
  await work();
  if (before.length === 0) return;
  const admins = await organizationAdmins(tx, organizationId);
  if (lastingAdmins(admins).length > 0) return;
  throw new SallyportError(
    'forbidden',
    `Then ${admins.organization} would have no admin left, and nobody could let anyone in again. Keep a rule without an end that makes a person an admin.`,
  );
}

/** Locks the organization. */
async function organizationAdmins(tx: Tx, organizationId: string): Promise<OrganizationAdmins> {
  const { slug } = await tx
    .selectFrom('organizations')
    .select('slug')
    .where('id', '=', organizationId)
    .forNoKeyUpdate()
    .executeTakeFirstOrThrow();
  const everybody = await accountsOfOrganization(tx, organizationId);
  const machines = await tx
    .selectFrom('accounts')
    .select('name')
    .where('organization_id', '=', organizationId)
    .where('kind', '=', 'machine')
    .execute();
  const machineNames = new Set(machines.map(({ name }) => name));
  return {
    organization: slug,
    rules: await rulesOfOrganization(tx, organizationId),
    people: everybody.filter(({ name }) => !machineNames.has(name)),
  };
}
