import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';

/** Every API token of an account, with whoever ends its sessions. Returns how many. */
export async function revokeTokensOfAccount(
  tx: Tx,
  { accountId, by }: { readonly accountId: string; readonly by: string },
  now: Date,
): Promise<number> {
  const revoked = await tx
    .updateTable('api_tokens')
    .set({ revoked_at: now, revoked_by: by })
    .where('account_id', '=', accountId)
    .where('revoked_at', 'is', null)
    .where('expires_at', '>', now)
    .returning((row) => [
      'id',
      'organization_id',
      'name',
      'role_limit',
      row
        .selectFrom('accounts')
        .select('accounts.name')
        .whereRef('accounts.id', '=', 'api_tokens.account_id')
        .$asScalar()
        .$notNull()
        .as('account'),
    ])
    .execute();
  for (const { id, organization_id, name, role_limit, account } of revoked) {
    const facts = { token: id, name, account, role_limit, by, sessions_ended: 0 };
    await recordEvent(tx, { event: 'api_token.revoked', organizationId: organization_id, accountId, facts });
  }
  return revoked.length;
}
