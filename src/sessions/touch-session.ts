import type { Tx } from '../database/database.ts';

const touchedEveryMilliseconds = 60_000;

/** Notes that the session was used, at most once a minute: every request would be a write otherwise. Whether it did. */
export async function touchSession(tx: Tx, sessionId: string, now: Date): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('login_sessions')
    .set({ last_used_at: now })
    .where('id', '=', sessionId)
    .where('last_used_at', '<', new Date(now.getTime() - touchedEveryMilliseconds))
    .executeTakeFirstOrThrow();
  return numUpdatedRows > 0n;
}
