/** An organization's identity providers as its admins see them. */
import type { IdentityProviderDocument } from '../api/identity-providers.ts';
import type { Database } from '../database/database.ts';
import type { ConfiguredProvider } from './configured-providers.ts';
import { redirectUriOf } from './identity-providers.ts';
import { documentOf } from './provider-settings.ts';
import { type StoredProvider, storedProviders } from './provider-store.ts';

interface Whose {
  readonly organization: string;
  readonly organizationId: string;
}

/** The operator's first; one of the same slug that an admin set up before does not count. */
export async function listProviders(
  db: Database,
  configured: readonly Pick<ConfiguredProvider, 'slug' | 'settings'>[],
  { organization, organizationId }: Whose,
  publicUrl: URL,
): Promise<IdentityProviderDocument[]> {
  const own = configured.filter(({ settings }) => settings.organization === organization);
  const stored = (await storedProviders(db)).filter(
    (provider) =>
      provider.organizationId === organizationId && !configured.some(({ slug }) => slug === provider.slug),
  );
  return [
    ...own.map(({ slug, settings }) => ({
      slug,
      source: 'configuration' as const,
      enabled: true,
      version: null,
      settings: documentOf(settings),
      ...addressesOf(slug, publicUrl),
    })),
    ...stored.map((provider) => providerDocument(provider, publicUrl)),
  ];
}

export function providerDocument(
  { slug, enabled, version, settings }: StoredProvider,
  publicUrl: URL,
): IdentityProviderDocument {
  return {
    slug,
    source: 'console',
    enabled,
    version,
    settings: documentOf(settings),
    ...addressesOf(slug, publicUrl),
  };
}

function addressesOf(slug: string, publicUrl: URL) {
  return {
    redirect_uri: redirectUriOf(slug, publicUrl).href,
    back_channel_logout_uri: new URL(`/login/back-channel-logout/${slug}`, publicUrl).href,
  };
}
