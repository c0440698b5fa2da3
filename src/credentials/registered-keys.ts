/** Keys that people log in with instead of certificates, where their organization allows it. */
import type { Database } from '../database/database.ts';
import { publicKeyLine } from '../ssh/public-key.ts';

export interface RegisteredKeyForFeed {
  readonly account: string;
  /** The login session that stands for the key: who ends it ends the key. */
  readonly sessionId: string;
  /** An authorized_keys line. */
  readonly publicKey: string;
  readonly expiresAt: Date;
}

/** The good ones of an organization's people, oldest first; none where the organization does not allow them. */
export async function registeredKeysOfOrganization(
  db: Database,
  organizationId: string,
  now: Date,
): Promise<RegisteredKeyForFeed[]> {
  const rows = await db
    .selectFrom('registered_keys')
    .innerJoin('accounts', 'accounts.id', 'registered_keys.account_id')
    .innerJoin('organizations', 'organizations.id', 'accounts.organization_id')
    .innerJoin('login_sessions', 'login_sessions.id', 'registered_keys.session_id')
    .select(['accounts.name', 'registered_keys.session_id', 'registered_keys.public_key'])
    .select('registered_keys.expires_at')
    .where('organizations.id', '=', organizationId)
    .where('organizations.registered_keys', '=', true)
    .where('organizations.hardware_keys', '=', 'off')
    .where('accounts.disabled_at', 'is', null)
    .where('login_sessions.ended_at', 'is', null)
    .where('registered_keys.expires_at', '>', now)
    .orderBy('registered_keys.created_at')
    .execute();
  return rows.map(({ name, session_id, public_key, expires_at }) => ({
    account: name,
    sessionId: session_id,
    publicKey: publicKeyLine({ blob: public_key }),
    expiresAt: expires_at,
  }));
}
