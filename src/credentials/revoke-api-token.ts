import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { isUuid } from '../database/uuid.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { endSessionsOfCredential } from '../sessions/end-sessions.ts';
import { type ApiToken, lockApiToken, type TokenScope } from './api-token-store.ts';

export interface RevokedCredential {
  readonly sessionsEnded: number;
  /** The state version that carries the ends; null if there was nothing to end. */
  readonly version: bigint | null;
}

/**
 * The token, its sessions and their certificates die in this transaction. Doing it again changes nothing.
 * @param within tokens of others are as unknown as those that never were @throws not_found
 */
export async function revokeApiToken(
  tx: Tx,
  { id, within, by }: { readonly id: string; readonly within: TokenScope; readonly by: string },
  now: Date,
): Promise<RevokedCredential> {
  const token = isUuid(id) ? await lockApiToken(tx, { id }) : undefined;
  if (token === undefined || !isWithin(token, within)) {
    throw new SallyportError('not_found', 'There is no API token with this id.');
  }
  if (token.revokedAt !== null) return { sessionsEnded: 0, version: null };
  await tx
    .updateTable('api_tokens')
    .set({ revoked_at: now, revoked_by: by })
    .where('id', '=', token.id)
    .execute();
  const end = { credentialId: token.id, reason: 'credential_revoked', by };
  const { sessions, version } = await endSessionsOfCredential(tx, end, now);
  await recordEvent(tx, {
    event: 'api_token.revoked',
    organizationId: token.organizationId,
    accountId: token.accountId,
    facts: {
      token: token.id,
      name: token.name,
      account: token.account,
      role_limit: token.roleLimit,
      by,
      sessions_ended: sessions,
    },
  });
  return { sessionsEnded: sessions, version: sessions > 0 ? version : null };
}

/**
 * All that are live: after a restored backup some may be that were revoked since. Their sessions are ended by whoever
 * ends all sessions. Returns how many.
 */
export async function revokeAllApiTokens(
  tx: Tx,
  { by }: { readonly by: string },
  now: Date,
): Promise<number> {
  const { numUpdatedRows } = await tx
    .updateTable('api_tokens')
    .set({ revoked_at: now, revoked_by: by })
    .where('revoked_at', 'is', null)
    .where('expires_at', '>', now)
    .executeTakeFirstOrThrow();
  return Number(numUpdatedRows);
}

function isWithin(token: ApiToken, scope: TokenScope): boolean {
  return 'accountId' in scope
    ? token.accountId === scope.accountId
    : token.organizationId === scope.organizationId;
}
