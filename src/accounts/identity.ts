/** What an identity provider says of a person, checked and brought into our form. Pure. */
import { SallyportError } from '../errors/sallyport-error.ts';
import { isAccountName } from '../ssh/names.ts';

export interface Identity {
  readonly issuer: string;
  readonly subject: string;
  /** As the provider's claim says it; case does not matter. */
  readonly accountName: string;
  readonly displayName: string;
  readonly groups: readonly string[];
  /** The organization that this provider speaks for. */
  readonly organizationSlug: string;
}

const groupsAtMost = 1_000;
const displayNameLength = 200;
/** ASCII, as OpenID Connect Core section 2 says of `sub`, and no control characters. */
const identifierPattern = /^[\x20-\x7e]{1,255}$/;
const groupPattern = /^[^\p{Cc}\p{Cs}]{1,256}$/u;

/**
 * The same identity with the account name in lower case, each group once, and a display name fit to show.
 * @throws name_refused for an account name outside the grammar
 * @throws login_rejected for a subject or groups that can't be stored as they are; nothing is cut off silently
 */
export function checkedIdentity(identity: Identity): Identity {
  const { groups } = identity;
  requireIdentifiers(identity);
  if (groups.length > groupsAtMost || !groups.every((group) => groupPattern.test(group))) {
    throw new SallyportError(
      'login_rejected',
      `The identity provider sent groups that are not acceptable: at most ${groupsAtMost}, ` +
        'each of 1 to 256 characters without control characters.',
    );
  }
  return {
    ...identity,
    accountName: canonicalAccountName(identity.accountName),
    displayName: identity.displayName.replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, ' ').slice(0, displayNameLength),
    groups: [...new Set(groups)].sort(),
  };
}

/** @throws login_rejected */
export function requireIdentifiers({ issuer, subject }: Pick<Identity, 'issuer' | 'subject'>): void {
  if (/^\S{1,2048}$/.test(issuer) && identifierPattern.test(subject)) return;
  throw new SallyportError('login_rejected', 'The identity provider sent a subject that is not acceptable.');
}

/** Providers do not agree on case and sshd compares exactly, so there is one form: lower case. @throws name_refused */
export function canonicalAccountName(claimed: string): string {
  // Lower-casing the Kelvin sign gives an ASCII k: look at the text before, not only after.
  const name = /^[!-~]*$/.test(claimed) ? claimed.toLowerCase() : '';
  if (isAccountName(name)) return name;
  throw new SallyportError(
    'name_refused',
    'The identity provider sent an account name that is not acceptable. Expected one such as alice@example.com: ' +
      'a-z 0-9 . _ + - before the @, a domain after it. Ask its administrator, or choose another claim for the account.',
  );
}
