import type { Database } from '../database/database.ts';

/** Deletes one-time codes and uses of them that are over. Returns how many codes. */
export async function sweepSshCodes(db: Database, now: Date): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom('ssh_codes')
    .where((row) => row.or([row('expires_at', '<', now), row('uses_left', '=', 0)]))
    .executeTakeFirstOrThrow();
  await db.deleteFrom('ssh_code_uses').where('expires_at', '<', now).execute();
  return Number(numDeletedRows);
}
