import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { reasonsBesideKey, revokeCertificates } from '../revocation/revoke-certificates.ts';
import { noCompanion } from './companion.ts';

/**
 * Ends a companion for good: its credential and its open tokens are worth nothing from the commit on, its host
 * certificates are revoked. Its live connections count as ended, since nobody will ever tell of them again: end the
 * sessions too if the people must be cut off. Doing it twice changes nothing.
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
  await revokeCertificates(tx, { companionId }, reasonsBesideKey.machineGone, now);
  await endConnections(tx, { id: companionId, ...row }, now);
  await recordEvent(tx, {
    event: 'companion.revoked',
    organizationId: row.organization_id,
    facts: { companion: row.name, by },
  });
}

async function endConnections(
  tx: Tx,
  { id, organization_id, name }: { id: string; organization_id: string; name: string },
  now: Date,
): Promise<void> {
  const reason = 'companion revoked';
  const ended = await tx
    .updateTable('connections')
    .set({ ended_at: now, end_reason: reason })
    .where('companion_id', '=', id)
    .where('ended_at', 'is', null)
    .returning(['session_id', 'account_name', 'serial', 'target_name'])
    .execute();
  for (const { session_id, account_name, serial, target_name } of ended) {
    await recordEvent(tx, {
      event: 'connection.ended',
      organizationId: organization_id,
      sessionId: session_id,
      facts: { companion: name, account: account_name, serial, target: target_name, reason },
    });
  }
}
