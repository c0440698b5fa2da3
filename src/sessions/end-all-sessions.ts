import type { Tx } from '../database/database.ts';

/**
 * Ends every login session that is not ended, expired ones too, and with them every token and whatever else of a login
 * is under way. For a recovery: it revokes the certificates by their serials, makes `version`, and records one event.
 * Returns how many sessions were ended.
 */
export async function endAllSessions(
  tx: Tx,
  { reason, by, version }: { reason: string; by: string; version: bigint },
  now: Date,
): Promise<number> {
  const { numUpdatedRows } = await tx
    .updateTable('login_sessions')
    .set({ ended_at: now, ended_reason: reason, ended_by: by, ended_version: version })
    .where('ended_at', 'is', null)
    .executeTakeFirstOrThrow();
  // What can be used once may have been used since the backup: a code, a consumed refresh token, a login's state.
  await tx.deleteFrom('oauth_records').execute();
  await tx.deleteFrom('login_states').execute();
  return Number(numUpdatedRows);
}
