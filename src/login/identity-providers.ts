/** All identity providers of the installation: those of the configuration and those that admins set up. */
import type { IdentityProvider } from './identity-provider.ts';

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
  /** Those of an issuer; several clients may be registered at one. */
  byIssuer(issuer: string): Promise<readonly IdentityProvider[]>;
}
