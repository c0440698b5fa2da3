/**
 * Ends login sessions that have expired while connections of theirs run in environments that limit the age of a second
 * factor: there a connection lasts as long as the login behind it, unless a longest time is set. Elsewhere it may outlive
 * its login session, as it outlives its certificate.
 */
import { sql } from 'kysely';
import type { Database } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { endSession } from '../sessions/end-session.ts';

/** The others wait for the next round. */
const mostAtOnce = 200;

/** @returns how many */
export async function endOutlivedSessions(db: Database, now: Date): Promise<number> {
  const rows = await db
    .selectFrom('connections')
    .innerJoin('login_sessions', (join) =>
      join.on(sql<boolean>`connections.session_id = login_sessions.id::text`),
    )
    .innerJoin('instances', 'instances.target_name', 'connections.target_name')
    .innerJoin('apps', 'apps.id', 'instances.app_id')
    .innerJoin('environments', 'environments.id', 'apps.environment_id')
    .innerJoin('projects', 'projects.id', 'environments.project_id')
    .innerJoin('organizations', 'organizations.id', 'projects.organization_id')
    .select('login_sessions.id')
    .distinct()
    .where('connections.ended_at', 'is', null)
    .where('login_sessions.ended_at', 'is', null)
    .where('login_sessions.expires_at', '<=', now)
    .where(
      sql<boolean>`coalesce(environments.mfa_max_age_seconds, organizations.mfa_max_age_seconds) is not null`,
    )
    .where(
      sql<boolean>`coalesce(environments.max_connection_seconds, organizations.max_connection_seconds) is null`,
    )
    .limit(mostAtOnce)
    .execute();
  for (const { id: sessionId } of rows) {
    await inTransaction(db, (tx) => endSession(tx, { sessionId, reason: 'expired', by: 'sweep' }, now));
  }
  return rows.length;
}
