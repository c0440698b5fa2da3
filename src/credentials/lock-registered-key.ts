/** A registered key in use: what a gateway names instead of a certificate when it takes its person on. */
import type { Tx } from '../database/database.ts';
import { lockLiveSession } from '../sessions/lock-live-session.ts';
import type { Session } from '../sessions/session.ts';

const notedMilliseconds = 60_000;

/**
 * The login session of a key that its organization allows, locked: it can't be ended before the transaction is over.
 * @returns undefined if the key is registered for nobody of the organization, or is good no more
 * @throws session_ended
 */
export async function lockRegisteredKey(
  tx: Tx,
  { publicKey, organizationId }: { readonly publicKey: Buffer; readonly organizationId: string },
  now: Date,
): Promise<Session | undefined> {
  const key = await tx
    .selectFrom('registered_keys')
    .innerJoin('accounts', 'accounts.id', 'registered_keys.account_id')
    .innerJoin('organizations', 'organizations.id', 'accounts.organization_id')
    .select(['registered_keys.id', 'registered_keys.session_id'])
    .where('registered_keys.public_key', '=', publicKey)
    .where('registered_keys.expires_at', '>', now)
    .where('organizations.id', '=', organizationId)
    .where('organizations.registered_keys', '=', true)
    .where('organizations.hardware_keys', '=', 'off')
    .executeTakeFirst();
  if (key === undefined) return undefined;
  const session = await lockLiveSession(tx, key.session_id, 'share', now);
  // At most a minute behind, so that many connections do not write one row each time.
  await tx
    .updateTable('registered_keys')
    .set({ last_used_at: now })
    .where('id', '=', key.id)
    .where((row) =>
      row.or([
        row('last_used_at', 'is', null),
        row('last_used_at', '<', new Date(now.getTime() - notedMilliseconds)),
      ]),
    )
    .execute();
  return session;
}
