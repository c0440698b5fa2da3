/** Leases: holes in a machine's firewall for one address or network, for a time. */
import type { Database } from '../database/database.ts';

export interface LeaseForFeed {
  readonly id: string;
  /** An address or a network. */
  readonly network: string;
  readonly port: number;
  readonly expiresAt: Date;
}

/** Those of a machine that hold now; the lease of a session that has ended holds no more. */
export async function leasesOfCompanion(
  db: Database,
  companionId: string,
  now: Date,
): Promise<LeaseForFeed[]> {
  const rows = await db
    .selectFrom('leases')
    .innerJoin('login_sessions', 'login_sessions.id', 'leases.session_id')
    .select(['leases.id', 'leases.network', 'leases.port', 'leases.expires_at'])
    .where('leases.companion_id', '=', companionId)
    .where('leases.ended_at', 'is', null)
    .where('leases.expires_at', '>', now)
    .where('login_sessions.ended_at', 'is', null)
    .orderBy('leases.id')
    .execute();
  return rows.map(({ id, network, port, expires_at }) => ({ id, network, port, expiresAt: expires_at }));
}
