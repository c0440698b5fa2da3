/** Refresh tokens of a provider, as its settings want them: asked for, kept, or insisted on. Pure. */
import { rejected } from './login-result.ts';
import type { ProviderSettings } from './provider-settings.ts';

type Settings = Pick<ProviderSettings, 'scopes' | 'upstream'>;

/**
 * What a login asks for. `offline_access` (OpenID Connect Core section 11) is added only where a refresh token is required:
 * some providers refuse a login for a scope that the client may not have.
 * @param supported of the discovery document; undefined: it does not say
 */
export function scopesOf({ scopes, upstream }: Settings, supported: readonly string[] | undefined): string[] {
  const offline = upstream.refresh === 'required' && supported?.includes('offline_access') !== false;
  return [...new Set(['openid', ...scopes, ...(offline ? ['offline_access'] : [])])];
}

/** @throws login_rejected if none came and one is required */
export function refreshTokenOf(
  { upstream: { refresh } }: Settings,
  { refresh_token: sent }: { readonly refresh_token?: string | undefined },
): string | null {
  const token = refresh === 'off' ? null : (sent ?? null);
  if (token !== null || refresh !== 'required') return token;
  throw rejected(
    'The identity provider gave no refresh token, but sessions here last only as long as it confirms them. ' +
      'Its administrator can allow them for this application.',
  );
}
