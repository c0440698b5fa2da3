/** The grants of `sally`: each is the authorization server's side of one session, and is kept as long as that lasts. */
import type Provider from 'oidc-provider';
import type { Database, Tx } from '../database/database.ts';
import { clientId } from './client.ts';
import { apiResource } from './paths.ts';

/** What every token of `sally` is for. A grant without a session is nothing, and goes away by itself. */
export const helperScope = 'openid offline_access';

/** @returns its id */
export async function saveHelperGrant(
  { provider, publicUrl }: { readonly provider: Provider; readonly publicUrl: URL },
  { accountId, scope }: { readonly accountId: string; readonly scope: string },
): Promise<string> {
  const grant = new provider.Grant({ accountId, clientId });
  grant.addOIDCScope(scope);
  grant.addResourceScope(apiResource(publicUrl), '');
  return await grant.save();
}

/** Call with the end of the session that the grant became. Only whether the session lives says whether it is good. */
export async function keepGrantUntil(tx: Tx, grantId: string, sessionEnd: Date): Promise<void> {
  await tx
    .updateTable('oauth_records')
    .set({ expires_at: sessionEnd })
    .where('model', '=', 'Grant')
    .where('grant_id', '=', grantId)
    .execute();
}

/** When the session of the grant is over at the latest; undefined: it has none. */
export async function endOfGrant(db: Database, grantId: string): Promise<Date | undefined> {
  const row = await db
    .selectFrom('login_sessions')
    .select('expires_at')
    .where('grant_id', '=', grantId)
    .executeTakeFirst();
  return row?.expires_at;
}
