/**
 * All identity providers of the installation: those of the configuration, and those that admins set up. The latter are
 * looked up each time by their version, so that a change or an end counts on every server process at once.
 */
import type { Database, DatabaseHandle } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { isLoopbackHost } from '../outbound/guarded-fetch.ts';
import type { Sealer } from '../secrets/seal.ts';
import { isSlug } from '../ssh/names.ts';
import { type ConfiguredProvider, defaultProviderSlug } from './configured-providers.ts';
import { createIdentityProvider } from './create-identity-provider.ts';
import type { IdentityProvider } from './identity-provider.ts';
import {
  clientSecretContext,
  type StoredProvider,
  storedProvider,
  storedProviders,
  type UnreadableProvider,
} from './provider-store.ts';

export interface ProviderSummary {
  readonly slug: string;
  readonly name: string;
  readonly issuer: string;
  readonly organizationSlug: string;
}

export interface IdentityProviders {
  /** Those that people may log in with, by name. */
  list(): Promise<readonly ProviderSummary[]>;
  /** @throws not_found, also for one that is disabled or removed */
  get(slug: string): Promise<IdentityProvider>;
}

export interface IdentityProvidersParts {
  readonly database: Pick<DatabaseHandle, 'db'>;
  readonly sealer: Sealer;
  /** The operator's; one of the same slug that an admin set up does not count. */
  readonly configured: readonly ConfiguredProvider[];
  readonly publicUrl: URL;
  readonly clock: () => Date;
  /** Networks in CIDR notation in which providers that admins set up may be (SALLYPORT_PRIVATE_PROVIDERS). */
  readonly privateNetworks?: readonly string[];
  /** Accept http:// on this very machine from admins too. For tests. */
  readonly allowInsecureLoopback?: boolean;
  /** Accept the demo's provider. For `sallyport dev` only. */
  readonly acceptDemo?: boolean;
  /** Told once for each provider that this version of the server can't read. */
  readonly onUnreadable?: (provider: UnreadableProvider) => void;
}

/** @throws login_provider_error if a configured issuer is neither https nor, over http, on this very machine */
export function createIdentityProviders(parts: IdentityProvidersParts): IdentityProviders {
  const { database, sealer, publicUrl, clock, privateNetworks = [], acceptDemo = false } = parts;
  const common = { database, clock, privateNetworks, acceptDemo };
  const configured = new Map(
    parts.configured.map(({ slug, settings, clientSecret }) => [
      slug,
      createIdentityProvider({
        ...common,
        slug,
        settings,
        clientSecret,
        redirectUri: redirectUriOf(slug, publicUrl),
        allowInsecureLoopback: isInsecureLoopback(settings.issuer),
        mayBePrivate: true,
      }),
    ]),
  );
  const known = new Map<string, { readonly version: number; readonly provider: IdentityProvider }>();

  const fromStored = ({ slug, settings, clientSecret, version }: StoredProvider): IdentityProvider => {
    const cached = known.get(slug);
    if (cached?.version === version) return cached.provider;
    const provider = createIdentityProvider({
      ...common,
      slug,
      settings,
      clientSecret: sealer.open(clientSecret, clientSecretContext(slug)),
      redirectUri: redirectUriOf(slug, publicUrl),
      allowInsecureLoopback: parts.allowInsecureLoopback ?? false,
    });
    known.set(slug, { version, provider });
    return provider;
  };
  const told = new Set<string>();
  const tellOnce = (provider: UnreadableProvider) => {
    if (!told.has(provider.slug)) parts.onUnreadable?.(provider);
    told.add(provider.slug);
  };
  const usable = async (db: Database): Promise<StoredProvider[]> =>
    (await storedProviders(db, tellOnce)).filter(({ slug, enabled }) => enabled && !configured.has(slug));

  return {
    async list() {
      const stored = (await usable(database.db)).map(({ slug, settings }) => ({
        slug,
        name: settings.name,
        issuer: settings.issuer,
        organizationSlug: settings.organization,
      }));
      const summaries = [...configured.values()].map(({ slug, name, issuer, organizationSlug }) => ({
        slug,
        name,
        issuer,
        organizationSlug,
      }));
      return [...summaries, ...stored].sort((a, b) => compare(a.name, b.name) || compare(a.slug, b.slug));
    },
    async get(slug) {
      const provider = configured.get(slug);
      if (provider) return provider;
      // From a URL: the database takes no NUL, for one.
      const stored = isSlug(slug) ? await storedProvider(database.db, slug) : undefined;
      if (stored?.enabled) return fromStored(stored);
      known.delete(slug);
      throw new SallyportError(
        'not_found',
        'There is no such identity provider here, or it is switched off. Go back to where you came from and choose another.',
      );
    },
  };
}

/** One for each provider, so that a reply of one is never taken for another's (RFC 9700 section 4.4.2.1). */
export function redirectUriOf(slug: string, publicUrl: URL): URL {
  return new URL(slug === defaultProviderSlug ? '/login/callback' : `/login/callback/${slug}`, publicUrl);
}

function isInsecureLoopback(issuer: string): boolean {
  const { protocol, hostname } = new URL(issuer);
  return protocol === 'http:' && isLoopbackHost(hostname);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
