import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { revokeCertificates } from '../revocation/revoke-certificates.ts';
import { noCompanion } from './companion.ts';

/**
 * Ends a companion for good: its credential and its open tokens are worth nothing from the commit on, its host
 * certificates are revoked. Doing it twice changes nothing.
 * @throws not_found
 */
export async function revokeCompanion(
  tx: Tx,
  { companionId, by }: { companionId: string; by: string },
  now: Date,
): Promise<void> {
  const row = await tx
    .selectFrom('companions')
    .select(['organization_id', 'name', 'revoked_at'])
    .where('id', '=', companionId)
    .forUpdate()
    .executeTakeFirst();
  if (row === undefined) throw noCompanion();
  if (row.revoked_at !== null) return;
  await tx.updateTable('companions').set({ revoked_at: now }).where('id', '=', companionId).execute();
  await revokeCertificates(tx, { companionId }, 'companion revoked', now);
  await recordEvent(tx, {
    event: 'companion.revoked',
    organizationId: row.organization_id,
    facts: { companion: row.name, by },
  });
}
