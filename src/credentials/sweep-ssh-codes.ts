import type { Database } from '../database/database.ts';

/** Deletes one-time codes that are over. Returns how many. */
export async function sweepSshCodes(db: Database, now: Date): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom('ssh_codes')
    .where((row) => row.or([row('expires_at', '<', now), row('uses_left', '=', 0)]))
    .executeTakeFirstOrThrow();
  return Number(numDeletedRows);
}
