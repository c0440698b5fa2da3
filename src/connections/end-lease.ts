import { recordEvent } from '../audit/record-event.ts';
import type { Database, Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { bumpStateVersion } from '../revocation/state-version.ts';
import { type LeaseScope, leaseQuery } from './lease-store.ts';

/** @returns the state version that carries it @throws not_found, for others' leases too */
export async function endLease(
  tx: Tx,
  { id, within, by }: { readonly id: string; readonly within: LeaseScope; readonly by: string },
  now: Date,
): Promise<bigint> {
  const lease = await leaseQuery(tx, now)
    .select(['leases.account_id', 'leases.session_id', 'accounts.organization_id'])
    .where('leases.id', '=', id)
    .where((where) =>
      'accountId' in within
        ? where('accounts.id', '=', within.accountId)
        : where('accounts.organization_id', '=', within.organizationId),
    )
    .forNoKeyUpdate('leases')
    .executeTakeFirst();
  if (lease === undefined) throw new SallyportError('not_found', 'There is no lease with this id.');
  await tx.updateTable('leases').set({ ended_at: now }).where('id', '=', id).execute();
  await recordEvent(tx, {
    event: 'lease.ended',
    organizationId: lease.organization_id,
    accountId: lease.account_id,
    sessionId: lease.session_id,
    facts: {
      lease: id,
      companion: lease.machine,
      account: lease.account,
      network: lease.network,
      port: lease.port,
      expires_at: Math.floor(lease.expires_at.getTime() / 1000),
      by,
    },
  });
  return await bumpStateVersion(tx, now, { krl: false });
}

const keptMilliseconds = 86_400_000;

/** Deletes leases that were over a day ago; the audit log has them. */
export async function sweepLeases(db: Database, now: Date): Promise<void> {
  await db
    .deleteFrom('leases')
    .where('expires_at', '<', new Date(now.getTime() - keptMilliseconds))
    .execute();
}
