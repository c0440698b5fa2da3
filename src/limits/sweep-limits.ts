import type { Database } from '../database/database.ts';

/** Deletes counters and identifiers whose time is over. Returns how many rows. */
export async function sweepLimits(db: Database, now: Date): Promise<number> {
  const results = [
    await db.deleteFrom('attempts').where('expires_at', '<', now).execute(),
    await db.deleteFrom('used_identifiers').where('expires_at', '<', now).execute(),
  ];
  return results.flat().reduce((sum, { numDeletedRows }) => sum + Number(numDeletedRows), 0);
}
