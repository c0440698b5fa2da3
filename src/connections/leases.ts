/** Leases: holes in a machine's firewall for one address or network, for a time. */
import { sql } from 'kysely';
import type { Database } from '../database/database.ts';

export interface LeaseForFeed {
  readonly id: string;
  /** An address or a network. */
  readonly network: string;
  readonly port: number;
  readonly expiresAt: Date;
}

/** Those of each machine that hold now; the lease of a session that has ended holds no more. */
export async function leasesOfCompanions(
  db: Database,
  companionIds: readonly string[],
  now: Date,
): Promise<ReadonlyMap<string, LeaseForFeed[]>> {
  const rows = await db
    .selectFrom('leases')
    .innerJoin('login_sessions', 'login_sessions.id', 'leases.session_id')
    .select(['leases.id', 'leases.network', 'leases.port', 'leases.expires_at', 'leases.companion_id'])
    .where('leases.companion_id', '=', sql<string>`any(${[...companionIds]}::uuid[])`)
    .where('leases.ended_at', 'is', null)
    .where('leases.expires_at', '>', now)
    .where('login_sessions.ended_at', 'is', null)
    .orderBy('leases.id')
    .execute();
  const found = new Map<string, LeaseForFeed[]>(companionIds.map((id) => [id, []]));
  for (const { companion_id, id, network, port, expires_at } of rows) {
    found.get(companion_id)?.push({ id, network, port, expiresAt: expires_at });
  }
  return found;
}
