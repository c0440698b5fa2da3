import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { bumpStateVersion } from '../revocation/state-version.ts';
import { isAccountName } from '../ssh/names.ts';

export interface NewMachineAccount {
  readonly organizationId: string;
  /** In one of the organization's domains, like everybody's. */
  readonly name: string;
  readonly displayName: string;
  /** The account name of who makes it. */
  readonly by: string;
}

/**
 * An account without a person: no identity provider logs in as it, API tokens and CI rules do.
 * @returns its id @throws name_refused, name_taken
 */
export async function createMachineAccount(
  tx: Tx,
  { organizationId, name, displayName, by }: NewMachineAccount,
  now: Date,
): Promise<string> {
  if (!isAccountName(name)) {
    throw new SallyportError(
      'name_refused',
      'The name of an account must look like deploy@example.com: a-z 0-9 . _ + - before the @, a domain after it.',
    );
  }
  const domains = await tx
    .selectFrom('organization_domains')
    .select('domain')
    .where('organization_id', '=', organizationId)
    .orderBy('domain')
    .execute();
  const own = domains.map(({ domain }) => domain);
  if (!own.includes(name.slice(name.indexOf('@') + 1))) {
    throw new SallyportError(
      'name_refused',
      `The account must be in a domain of the organization: ${own.join(', ') || 'it has none yet'}.`,
    );
  }
  const created = await tx
    .insertInto('accounts')
    .values({
      organization_id: organizationId,
      name,
      display_name: displayName.replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, ' ').slice(0, 200),
      kind: 'machine',
      created_at: now,
    })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returning('id')
    .executeTakeFirst();
  if (created === undefined) {
    throw new SallyportError('name_taken', `There is an account ${name} already. Choose another name.`);
  }
  await recordEvent(tx, {
    event: 'machine_account.created',
    organizationId,
    accountId: created.id,
    facts: { name, by },
  });
  // Gateways decide with every account of the organization.
  await bumpStateVersion(tx, now, { krl: false });
  return created.id;
}
