/** Whether two providers of one organization could send the same group and mean different ones. Pure. */
import type { ProviderSettings } from './provider-settings.ts';

interface Named {
  readonly slug: string;
  readonly settings: Pick<ProviderSettings, 'organization' | 'groups'>;
}

/**
 * One problem per pair. A prefix that another begins with collides with it too: "a" and the group "bc" make what "ab"
 * and "c" make.
 */
export function collidingPrefixes(providers: readonly Named[]): string[] {
  return providers.flatMap((one, index) =>
    providers
      .slice(index + 1)
      .filter((other) => other.slug !== one.slug && collide(one.settings, other.settings))
      .map(
        (other) =>
          `${one.slug} and ${other.slug} both serve ${one.settings.organization}, and their groups could be taken for ` +
          `each other's: give each a groups.prefix of its own, such as "${one.slug}:" and "${other.slug}:"`,
      ),
  );
}

function collide(one: Named['settings'], other: Named['settings']): boolean {
  if (one.organization !== other.organization) return false;
  const [first, second] = [one.groups.prefix, other.groups.prefix];
  return first.startsWith(second) || second.startsWith(first);
}
