/** What is looked at of the identity providers when a server starts. */
import type { Database } from '../database/database.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import { type ConfiguredProvider, conflictsAmong } from '../login/configured-providers.ts';
import type { IdentityProviders } from '../login/identity-providers.ts';
import { storedProviders } from '../login/provider-store.ts';

type Configured = readonly Pick<ConfiguredProvider, 'slug' | 'settings'>[];

/** @throws settings_invalid if one is the demo's; that one does not answer is no reason not to start */
export async function discoverAll(
  providers: Pick<IdentityProviders, 'get'>,
  configured: Configured,
  onError: (error: unknown, what: string) => void,
): Promise<void> {
  const found = await Promise.allSettled(
    configured.map(async ({ slug }) => (await providers.get(slug)).discover()),
  );
  for (const [index, outcome] of found.entries()) {
    if (outcome.status === 'fulfilled') continue;
    const { reason } = outcome;
    if (isSallyportError(reason) && reason.code === 'settings_invalid') throw reason;
    // People are told so when they log in; it may be back by then.
    onError(reason, `the identity provider ${configured[index]?.slug} does not answer`);
  }
}

/** A provider of the configuration hides one that an admin set up before; groups of two may be taken for each other's. */
export async function warnOfHiddenProviders(
  db: Database,
  configured: Configured,
  warn: (facts: object, message: string) => void,
): Promise<void> {
  const stored = (await storedProviders(db)).filter(({ enabled }) => enabled);
  for (const conflict of conflictsAmong([...configured, ...stored])) {
    warn({ conflict }, 'an identity provider set up in the console is at odds with the configuration');
  }
}
