import type Provider from 'oidc-provider';
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
