import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { isUuid } from '../database/uuid.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { endSession } from '../sessions/end-session.ts';
import { type KeyScope, liveKeys } from './registered-key-store.ts';

export interface RemovedKeys {
  readonly removed: number;
  /** The state version that carries it; null if there was nothing to remove. */
  readonly version: bigint | null;
}

interface KeysToRemove {
  /** Keys of others are as unknown as those that never were. */
  readonly within: KeyScope;
  readonly by: string;
  /** Only this one, by its id or its fingerprint; undefined: all. */
  readonly which?: string;
}

/**
 * Ends the sessions of the keys, and with them every connection. A key that was removed before is removed all the same.
 * @throws not_found if a key is named and there is none
 */
export async function removeRegisteredKeys(
  tx: Tx,
  { within, by, which }: KeysToRemove,
  now: Date,
): Promise<RemovedKeys> {
  let query = liveKeys(tx, within, now);
  if (which !== undefined) {
    query = isUuid(which)
      ? query.where('registered_keys.id', '=', which)
      : query.where('registered_keys.fingerprint', '=', which);
  }
  const keys = await query
    .select([
      'registered_keys.id',
      'registered_keys.session_id',
      'registered_keys.account_id',
      'registered_keys.name',
      'registered_keys.fingerprint',
      'accounts.name as account',
      'accounts.organization_id',
    ])
    // In one order everywhere, so that two of these can't wait for each other.
    .orderBy('registered_keys.session_id')
    .execute();
  if (which !== undefined && keys.length === 0) {
    throw new SallyportError('not_found', 'There is no such registered key.');
  }
  let version: bigint | null = null;
  for (const key of keys) {
    const ended = await endSession(tx, { sessionId: key.session_id, reason: 'key_removed', by }, now);
    version = ended.version;
    await recordEvent(tx, {
      event: 'ssh_key.removed',
      organizationId: key.organization_id,
      accountId: key.account_id,
      sessionId: key.session_id,
      facts: { key: key.id, name: key.name, account: key.account, fingerprint: key.fingerprint, by },
    });
  }
  return { removed: keys.length, version };
}
