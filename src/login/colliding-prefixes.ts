/** Whether two providers of one organization could send the same group and mean different ones. Pure. */
import type { ProviderSettings } from './provider-settings.ts';

interface Named {
  readonly slug: string;
  readonly settings: Pick<ProviderSettings, 'organization' | 'groups'>;
}

/**
 * One problem per pair with the same prefix. Different ones never make the same group: a prefix ends in the only "::" it
 * has, and a provider without prefix can't send a group that reads as if it had one.
 */
export function collidingPrefixes(providers: readonly Named[]): string[] {
  return providers.flatMap((one, index) =>
    providers
      .slice(index + 1)
      .filter((other) => other.slug !== one.slug && collide(one.settings, other.settings))
      .map(
        (other) =>
          `${one.slug} and ${other.slug} both serve ${one.settings.organization}, and their groups could be taken for ` +
          `each other's: give one of them a groups.prefix of its own, such as "${one.slug}::"`,
      ),
  );
}

function collide(one: Named['settings'], other: Named['settings']): boolean {
  return one.organization === other.organization && one.groups.prefix === other.groups.prefix;
}
