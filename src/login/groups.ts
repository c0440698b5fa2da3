/** Which groups a provider says somebody is in. Pure. */
import { SallyportError } from '../errors/sallyport-error.ts';
import { type Claims, claimAt, topLevelClaim } from './claim-at.ts';

export interface GroupSettings {
  readonly claims: { readonly groups: string };
  readonly groups: { readonly prefix: string };
}

/** `elsewhere`: the provider has more than it sends. That is not the same as none, and a part is no answer either. */
export type GroupsFound =
  | { readonly kind: 'known'; readonly groups: readonly string[] }
  | { readonly kind: 'elsewhere' };

const groupsAtMost = 1_000;

/** Of a provider's groups; empty, or a word and the only "::". */
export const groupPrefix = /^([a-z0-9-]{1,40}::)?$/;
const readsAsPrefixed = /^[a-z0-9-]{1,40}::/;

/**
 * The groups of the claim, each with the provider's prefix. Without the claim there are none: groups only ever allow.
 * @throws login_rejected for a claim that is not a list of names
 */
export function groupsFrom(claims: Claims, settings: GroupSettings): GroupsFound {
  const { groups: claim } = settings.claims;
  if (isElsewhere(claims, claim)) return { kind: 'elsewhere' };
  const sent = claimAt(claims, claim) ?? [];
  if (!Array.isArray(sent) || !sent.every((group) => typeof group === 'string' && group !== '')) {
    throw new SallyportError(
      'login_rejected',
      `The identity provider's claim "${claim}" is not a list of names. Its administrator can change what it sends; ` +
        'the operator of this server can choose another claim.',
    );
  }
  if (sent.length > groupsAtMost) return { kind: 'elsewhere' };
  return { kind: 'known', groups: prefixed(sent, settings) };
}

/**
 * Groups that were asked for elsewhere, in the same form.
 * @throws login_rejected for one that a provider without prefix sends as if it were another provider's
 */
export function prefixed(
  groups: readonly string[],
  { groups: { prefix } }: GroupSettings,
): readonly string[] {
  const pretender = prefix === '' ? groups.find((group) => readsAsPrefixed.test(group)) : undefined;
  if (pretender !== undefined) {
    throw new SallyportError(
      'login_rejected',
      'You are in a group whose name reads like one of another identity provider ("word::name"). The operator of this ' +
        "server can give this provider's groups a prefix of their own.",
      { detail: `group ${JSON.stringify(pretender)}` },
    );
  }
  return [...new Set(groups.map((group) => `${prefix}${group}`))].sort();
}

/**
 * OpenID Connect Core section 5.6.2: aggregated and distributed claims. Entra ID also says only that there are groups.
 * https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference
 */
function isElsewhere(claims: Claims, reference: string): boolean {
  const claim = topLevelClaim(reference);
  const names = claims['_claim_names'];
  if (typeof names === 'object' && names !== null && Object.hasOwn(names, claim)) return true;
  return claims['hasgroups'] === true || claims['hasgroups'] === 'true';
}

/** What somebody is told who is in more groups than the provider sends, where they are not fetched. */
export function groupsUnknown(): SallyportError {
  return new SallyportError(
    'login_rejected',
    'You are in more groups than the identity provider sends. Its administrator can limit the groups of this login; ' +
      'the operator of this server can have them fetched.',
  );
}
