import type { Tx } from '../database/database.ts';

export interface EndOfAll {
  readonly reason: string;
  readonly by: string;
  /** Makes the state version that carries the end; called once every session is locked. */
  readonly version: () => Promise<bigint>;
}

/**
 * Ends every login session, expired ones too, and with them every token and whatever else of a login is under way. For a
 * recovery: it revokes the certificates by their serials, and records one event. Whoever issues in a session's name has
 * committed by then, or finds it ended. Returns how many sessions were ended.
 */
export async function endAllSessions(tx: Tx, { reason, by, version }: EndOfAll, now: Date): Promise<number> {
  await tx.selectFrom('login_sessions').select('id').where('ended_at', 'is', null).forUpdate().execute();
  const ended_version = await version();
  const { numUpdatedRows } = await tx
    .updateTable('login_sessions')
    .set({ ended_at: now, ended_reason: reason, ended_by: by, ended_version })
    .where('ended_at', 'is', null)
    .executeTakeFirstOrThrow();
  // What is good once may have been used since the backup: a code, a consumed refresh token, a login's state.
  await tx.deleteFrom('oauth_records').execute();
  await tx.deleteFrom('login_states').execute();
  await tx.deleteFrom('pending_logins').execute();
  await tx.deleteFrom('upstream_grants').execute();
  return Number(numUpdatedRows);
}
