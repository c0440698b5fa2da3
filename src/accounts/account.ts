/** Accounts as decisions see them. */
import { sql } from 'kysely';
import { recordEvent } from '../audit/record-event.ts';
import type { Database, Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { AccountFacts, OrganizationFacts } from '../policy/facts.ts';
import { bumpStateVersion } from '../revocation/state-version.ts';

export interface Account {
  readonly id: string;
  readonly facts: AccountFacts;
  readonly organizationId: string;
  readonly organization: OrganizationFacts;
}

/** With the login name of its menu on gateways. */
export interface NumberedAccount extends AccountFacts {
  readonly number: number;
}

/** @throws not_found */
export async function loadAccount(db: Database, accountId: string): Promise<Account> {
  const account = (await loadAccounts(db, [accountId])).get(accountId);
  if (account === undefined) throw new SallyportError('not_found', 'There is no such account.');
  return account;
}

/** Those of the accounts that there are, by id. */
export async function loadAccounts(
  db: Database,
  accountIds: readonly string[],
): Promise<ReadonlyMap<string, Account>> {
  const rows = await accountQuery(db)
    .innerJoin('organizations', 'organizations.id', 'accounts.organization_id')
    .select(['accounts.id', 'organizations.slug', 'organizations.ssh_enabled'])
    .select(['organizations.mfa_max_age_seconds', 'organizations.mfa_required', 'organizations.mfa_sources'])
    .select(['organizations.mfa_methods', 'organizations.machine_access', 'organizations.source_pinning'])
    .select(['organizations.hardware_keys', 'organizations.hardware_attestation'])
    .select(['organizations.hardware_models'])
    .where('accounts.id', '=', sql<string>`any(${accountIds}::uuid[])`)
    .execute();
  return new Map(
    rows.map((row) => [
      row.id,
      {
        id: row.id,
        facts: accountFacts(row, row.slug),
        organizationId: row.organization_id,
        organization: {
          slug: row.slug,
          sshEnabled: row.ssh_enabled,
          mfaMaxAgeSeconds: row.mfa_max_age_seconds,
          mfaRequired: row.mfa_required,
          mfaSources: row.mfa_sources,
          mfaMethods: row.mfa_methods,
          machineAccess: row.machine_access,
          sourcePinning: row.source_pinning,
          hardware: {
            keys: row.hardware_keys,
            attestation: row.hardware_attestation === 'required',
            models: row.hardware_models,
          },
        },
      },
    ]),
  );
}

/** Everybody of one organization, by name: what its gateways decide with. */
export async function accountsOfOrganization(
  db: Database,
  organizationId: string,
): Promise<NumberedAccount[]> {
  const rows = await accountQuery(db)
    .innerJoin('organizations', 'organizations.id', 'accounts.organization_id')
    .select('organizations.slug')
    .where('accounts.organization_id', '=', organizationId)
    .orderBy('accounts.name')
    .execute();
  return rows.map((row) => ({ ...accountFacts(row, row.slug), number: row.gateway_uid }));
}

/** The login name of its menu at gateways. @throws Error if there is no such account */
export async function accountNumber(db: Database, accountId: string): Promise<number> {
  const { gateway_uid } = await db
    .selectFrom('accounts')
    .select('gateway_uid')
    .where('id', '=', accountId)
    .executeTakeFirstOrThrow();
  return gateway_uid;
}

/**
 * Refuses the account everywhere from now on. Its sessions are ended by whoever disables it.
 * @returns the state version that carries it @throws not_found
 */
export async function disableAccount(
  tx: Tx,
  { accountId, by }: { accountId: string; by: string },
  now: Date,
): Promise<bigint> {
  const row = await tx
    .updateTable('accounts')
    .set((update) => ({ disabled_at: update.fn.coalesce('disabled_at', update.val(now)) }))
    .where('id', '=', accountId)
    .returning(['name', 'organization_id'])
    .executeTakeFirst();
  if (row === undefined) throw new SallyportError('not_found', 'There is no such account.');
  await recordEvent(tx, {
    event: 'account.disabled',
    organizationId: row.organization_id,
    accountId,
    facts: { name: row.name, by },
  });
  return await bumpStateVersion(tx, now, { krl: false });
}

function accountQuery(db: Database) {
  return db.selectFrom('accounts').select([
    'accounts.name',
    'accounts.organization_id',
    'accounts.disabled_at',
    'accounts.gateway_uid',
    sql<string[]>`array(
      select group_name from account_groups where account_id = accounts.id order by group_name
    )`.as('groups'),
  ]);
}

function accountFacts(
  row: { name: string; disabled_at: Date | null; groups: string[] },
  organization: string,
): AccountFacts {
  return { name: row.name, organization, disabled: row.disabled_at !== null, groups: row.groups };
}
