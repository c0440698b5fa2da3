/** Registered keys as people see them in lists: those that are good now. */
import { sql } from 'kysely';
import type { Database } from '../database/database.ts';

export type KeyScope = { readonly accountId: string } | { readonly organizationId: string };

export interface RegisteredKey {
  readonly id: string;
  readonly sessionId: string;
  readonly account: string;
  readonly name: string;
  /** SSH public key blob. */
  readonly publicKey: Buffer;
  readonly fingerprint: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly lastUsedAt: Date | null;
}

export async function listRegisteredKeys(db: Database, scope: KeyScope, now: Date): Promise<RegisteredKey[]> {
  const rows = await liveKeys(db, scope, now)
    .select([
      'registered_keys.id',
      'registered_keys.session_id',
      'accounts.name as account',
      'registered_keys.name',
      'registered_keys.public_key',
      'registered_keys.fingerprint',
      'registered_keys.created_at',
      'registered_keys.expires_at',
    ])
    // Taken on to a target, or on a connection that a companion reported; greatest() passes over nulls.
    .select(
      sql<Date | null>`greatest(registered_keys.last_used_at, (
        select max(connections.started_at) from connections
        where connections.session_id = registered_keys.session_id::text
      ))`.as('last_used_at'),
    )
    .orderBy('accounts.name')
    .orderBy('registered_keys.created_at')
    .execute();
  return rows.map((row) => ({
    id: row.id,
    sessionId: row.session_id,
    account: row.account,
    name: row.name,
    publicKey: row.public_key,
    fingerprint: row.fingerprint,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
  }));
}

/** Where the organization allows them no more they are still there, and may be removed. */
export function liveKeys(db: Database, scope: KeyScope, now: Date) {
  const query = db
    .selectFrom('registered_keys')
    .innerJoin('accounts', 'accounts.id', 'registered_keys.account_id')
    .innerJoin('login_sessions', 'login_sessions.id', 'registered_keys.session_id')
    .where('login_sessions.ended_at', 'is', null)
    .where('registered_keys.expires_at', '>', now);
  return 'accountId' in scope
    ? query.where('accounts.id', '=', scope.accountId)
    : query.where('accounts.organization_id', '=', scope.organizationId);
}
