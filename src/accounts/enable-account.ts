import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { bumpStateVersion } from '../revocation/state-version.ts';

/** The person may log in again; nothing that was ended comes back. Doing it twice changes nothing. @throws not_found */
export async function enableAccount(
  tx: Tx,
  { accountId, by }: { readonly accountId: string; readonly by: string },
  now: Date,
): Promise<void> {
  const row = await tx
    .selectFrom('accounts')
    .select(['name', 'organization_id', 'disabled_at'])
    .where('id', '=', accountId)
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (row === undefined) throw new SallyportError('not_found', 'There is no such account.');
  if (row.disabled_at === null) return;
  await tx.updateTable('accounts').set({ disabled_at: null }).where('id', '=', accountId).execute();
  await recordEvent(tx, {
    event: 'account.enabled',
    organizationId: row.organization_id,
    accountId,
    facts: { name: row.name, by },
  });
  await bumpStateVersion(tx, now, { krl: false });
}
