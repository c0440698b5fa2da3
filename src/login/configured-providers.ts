/** Identity providers that the operator configures in a file, beside the one of the environment. */
import type { ProviderSettings } from './provider-settings.ts';

export interface ConfiguredProvider {
  readonly slug: string;
  readonly settings: ProviderSettings;
  readonly clientSecret: string;
}

/** The provider that SALLYPORT_OIDC_* sets up. Its redirect URI is /login/callback; every other's ends in its slug. */
export const defaultProviderSlug = 'default';
