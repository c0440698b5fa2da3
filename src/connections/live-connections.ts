/** Live SSH connections as people see them in lists. The type is the API's (api/connections.ts); the two must agree. */
import type { Database } from '../database/database.ts';

/** api/connections.ts `liveConnection`. Times are unix seconds. */
export interface LiveConnection {
  account: string;
  session_id: string;
  companion: string;
  companion_kind: 'gateway' | 'host';
  target: string | null;
  way: 'relay' | 'jump' | 'host' | 'menu' | 'refusal' | null;
  started_at: number;
  client_address: string | null;
  /** Its session has ended, and the machine has not said that the connection has. */
  ending: boolean;
}

const listedAtMost = 1_000;

/** The newest first. */
export async function listConnections(
  db: Database,
  scope: { readonly organizationId: string } | { readonly accountId: string },
): Promise<LiveConnection[]> {
  const query = db
    .selectFrom('connections')
    .innerJoin('companions', 'companions.id', 'connections.companion_id')
    // The companion's word for it is text; it was checked against the session when it was reported.
    .innerJoin('login_sessions', (join) =>
      join.on((on) => on('connections.session_id', '=', on.cast<string>('login_sessions.id', 'text'))),
    )
    .innerJoin('accounts', 'accounts.id', 'login_sessions.account_id')
    .select([
      'accounts.name as account',
      'connections.session_id',
      'companions.name as companion',
      'companions.kind as companion_kind',
      'connections.target_name as target',
      'connections.way',
      'connections.started_at',
      'connections.client_address',
      'login_sessions.ended_at',
    ])
    .where('connections.ended_at', 'is', null);
  const scoped =
    'accountId' in scope
      ? query.where('accounts.id', '=', scope.accountId)
      : query.where('accounts.organization_id', '=', scope.organizationId);
  const rows = await scoped
    .orderBy('connections.started_at', 'desc')
    .orderBy('connections.id')
    .limit(listedAtMost)
    .execute();
  return rows.map(({ ended_at, started_at, ...row }) => ({
    ...row,
    started_at: Math.floor(started_at.getTime() / 1000),
    ending: ended_at !== null,
  }));
}
