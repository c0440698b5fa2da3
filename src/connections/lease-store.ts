/** Leases as people see them in lists: those that hold now. */
import type { Selectable } from 'kysely';
import type { Database } from '../database/database.ts';
import type { LeaseRow } from '../database/rows.ts';

export type LeaseScope = { readonly accountId: string } | { readonly organizationId: string };

export interface Lease extends Pick<Selectable<LeaseRow>, 'id' | 'network' | 'port'> {
  readonly account: string;
  readonly machine: string;
  readonly kind: 'gateway' | 'host';
  readonly address: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

export async function listLeases(db: Database, scope: LeaseScope, now: Date): Promise<Lease[]> {
  const rows = await leaseQuery(db, now)
    .where((where) =>
      'accountId' in scope
        ? where('accounts.id', '=', scope.accountId)
        : where('accounts.organization_id', '=', scope.organizationId),
    )
    .orderBy('leases.created_at')
    .orderBy('leases.id')
    .execute();
  return rows.map(leaseOf);
}

export async function leasesById(db: Database, ids: readonly string[], now: Date): Promise<Lease[]> {
  if (ids.length === 0) return [];
  const rows = await leaseQuery(db, now).where('leases.id', 'in', ids).orderBy('companions.name').execute();
  return rows.map(leaseOf);
}

/** Where the account's live connections come from, as machines see them. */
export async function seenAddresses(
  db: Database,
  accountId: string,
): Promise<{ machine: string; address: string }[]> {
  const rows = await db
    .selectFrom('connections')
    .innerJoin('companions', 'companions.id', 'connections.companion_id')
    .innerJoin('accounts', (join) =>
      join
        .onRef('accounts.name', '=', 'connections.account_name')
        .onRef('accounts.organization_id', '=', 'companions.organization_id'),
    )
    .select(['companions.name as machine', 'connections.client_address as address'])
    .distinct()
    .where('accounts.id', '=', accountId)
    .where('connections.ended_at', 'is', null)
    .where('connections.client_address', 'is not', null)
    .where('companions.lease_max_seconds', 'is not', null)
    // A host sees the gateway, not the person.
    .where('connections.way', '<>', 'relay')
    .orderBy('machine')
    .orderBy('address')
    .execute();
  return rows.flatMap(({ machine, address }) => (address === null ? [] : [{ machine, address }]));
}

export function leaseQuery(db: Database, now: Date) {
  return db
    .selectFrom('leases')
    .innerJoin('accounts', 'accounts.id', 'leases.account_id')
    .innerJoin('companions', 'companions.id', 'leases.companion_id')
    .innerJoin('login_sessions', 'login_sessions.id', 'leases.session_id')
    .select(['leases.id', 'leases.network', 'leases.port', 'leases.created_at', 'leases.expires_at'])
    .select([
      'accounts.name as account',
      'companions.name as machine',
      'companions.kind',
      'companions.address',
    ])
    .where('leases.ended_at', 'is', null)
    .where('leases.expires_at', '>', now)
    .where('login_sessions.ended_at', 'is', null);
}

function leaseOf(row: Awaited<ReturnType<ReturnType<typeof leaseQuery>['execute']>>[number]): Lease {
  const { created_at: createdAt, expires_at: expiresAt, ...rest } = row;
  return { ...rest, createdAt, expiresAt };
}
