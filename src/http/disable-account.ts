/** Ends everything of an account, in one transaction: its sessions, its API tokens, its right to log in. */
import { disableAccount } from '../accounts/account.ts';
import { revokeTokensOfAccount } from '../credentials/revoke-account-tokens.ts';
import type { Tx } from '../database/database.ts';
import { endSessionsOfAccount } from '../sessions/end-sessions.ts';

export interface Disabled {
  /** The state version that carries it. */
  readonly version: bigint;
  readonly sessions: number;
  readonly certificatesRevoked: number;
  readonly tokensRevoked: number;
}

/**
 * Whoever starts a session of the account at this moment holds its row: they have committed by then and their session is
 * among those ended, or they find the account disabled.
 * @param by an account name, or `provider:<slug>` @throws not_found
 */
export async function disableWithEverything(
  tx: Tx,
  { accountId, by }: { readonly accountId: string; readonly by: string },
  now: Date,
): Promise<Disabled> {
  // The account, its sessions, then the state version: in this order everywhere.
  await tx.selectFrom('accounts').select('id').where('id', '=', accountId).forNoKeyUpdate().execute();
  const tokensRevoked = await revokeTokensOfAccount(tx, { accountId, by }, now);
  const ended = await endSessionsOfAccount(tx, { accountId, by, reason: 'account_disabled' }, now);
  const version = await disableAccount(tx, { accountId, by }, now);
  return { ...ended, version, tokensRevoked };
}
