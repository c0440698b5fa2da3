/** How the demo's server knows the demo's identity provider. */
import { type ConfiguredProvider, defaultProviderSlug } from '../login/configured-providers.ts';
import { parseProviderSettings } from '../login/provider-settings.ts';
import { demoOrganization } from './demo-inventory.ts';

export function demoProvider(
  issuer: string,
  { clientId, clientSecret }: { readonly clientId: string; readonly clientSecret: string },
): ConfiguredProvider {
  const { settings, problems } = parseProviderSettings({
    name: 'Acme demo',
    issuer,
    client_id: clientId,
    organization: demoOrganization,
    scopes: ['openid', 'email', 'profile', 'groups'],
  });
  if (settings === null) throw new TypeError(JSON.stringify(problems));
  return { slug: defaultProviderSlug, settings, clientSecret };
}
