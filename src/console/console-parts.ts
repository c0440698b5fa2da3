/** What the console is put together from. */
import type { AppParts } from '../http/app-parts.ts';
import type { IdentityProvider } from '../login/identity-provider.ts';

export interface ConsoleParts extends Pick<AppParts, 'database' | 'feed' | 'publicUrl' | 'clock'> {
  /** Where people sign in. Whoever receives its reply calls `signInBrowser` for the purpose `browser`. */
  readonly identityProvider: Pick<IdentityProvider, 'startLogin'>;
}
