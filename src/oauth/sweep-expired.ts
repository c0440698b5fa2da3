import type { Database } from '../database/database.ts';

/** Kept this much longer than needed, so that a late client hears "expired" and not "unknown". */
const marginMilliseconds = 3_600_000;

/** Deletes what nobody can use any more: artifacts, logins under way, proofs and nonces. Returns how many rows. */
export async function sweepExpired(db: Database, now: Date): Promise<number> {
  const before = new Date(now.getTime() - marginMilliseconds);
  const results = [
    await db.deleteFrom('oauth_records').where('expires_at', '<', before).execute(),
    await db.deleteFrom('login_states').where('expires_at', '<', before).execute(),
    await db.deleteFrom('device_polls').where('expires_at', '<', before).execute(),
    await db.deleteFrom('device_approvals').where('expires_at', '<', now).execute(),
    await db.deleteFrom('dpop_proofs').where('expires_at', '<', before).execute(),
    await db.deleteFrom('possession_challenges').where('expires_at', '<', before).execute(),
  ];
  return results.flat().reduce((sum, { numDeletedRows }) => sum + Number(numDeletedRows), 0);
}
