import type { Database } from '../database/database.ts';

/** A certificate lives an hour, and a companion that was away longer asks about each connection when it reports. */
const rememberedMilliseconds = 7 * 86_400_000;
const most = 10_000;

/** Ids of the organization's sessions that ended in the last seven days, the newest first, at most ten thousand. */
export async function endedSessionsOfOrganization(
  db: Database,
  organizationId: string,
  now: Date,
): Promise<string[]> {
  const rows = await db
    .selectFrom('login_sessions')
    .innerJoin('accounts', 'accounts.id', 'login_sessions.account_id')
    .select('login_sessions.id')
    .where('accounts.organization_id', '=', organizationId)
    .where('login_sessions.ended_at', '>', new Date(now.getTime() - rememberedMilliseconds))
    .orderBy('login_sessions.ended_at', 'desc')
    .limit(most)
    .execute();
  return rows.map(({ id }) => id);
}
