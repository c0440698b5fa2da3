import type { Database } from '../database/database.ts';

/** Whether an identity provider has ever vouched for a second factor of the account. */
export async function isKnownAtProvider(db: Database, accountId: string): Promise<boolean> {
  const row = await db
    .selectFrom('login_sessions')
    .select('id')
    .where('account_id', '=', accountId)
    .where('mfa_by', '=', 'provider')
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}
