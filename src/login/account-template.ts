/**
 * How an account is named after a provider's claims. A template is a claim that holds a whole account name, or a local
 * part with one claim in it at a fixed domain. Both are parsed as a whole; nothing is cut off and nothing repaired. Pure.
 */
import { canonicalAccountName } from '../accounts/identity.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { isAccountName } from '../ssh/names.ts';
import { type Claims, claimAt, isClaimReference } from './claim-at.ts';

export interface AccountTemplate {
  readonly claim: string;
  /** Whether only the part before the "@" is taken of an address. */
  readonly localPartOnly: boolean;
  /** What stands around the claim; null: the claim is the whole name. */
  readonly around: { readonly before: string; readonly after: string; readonly domain: string } | null;
}

export interface AccountNaming {
  readonly claims: { readonly account: string };
  readonly trustEmail: boolean;
  readonly emailDomains: readonly string[] | null;
}

const grammar = /^([a-z0-9._+-]*)\{([^{}]+?)(:local)?\}(?:([a-z0-9._+-]*)@([a-z0-9.-]+))?$/;

/** Undefined if `text` is not a template. */
export function parseAccountTemplate(text: string): AccountTemplate | undefined {
  const [whole, before = '', claim = '', local, after = '', domain] = grammar.exec(text) ?? [];
  if (whole === undefined || !isClaimReference(claim)) return undefined;
  const localPartOnly = local !== undefined;
  if (domain === undefined) {
    return before === '' && !localPartOnly ? { claim, localPartOnly, around: null } : undefined;
  }
  if (!isAccountName(`a@${domain}`)) return undefined;
  return { claim, localPartOnly, around: { before, after, domain } };
}

/**
 * The account name of whom the claims are about. A name made of `email` needs an address that the provider has verified:
 * otherwise anybody could take a colleague's name by typing it into their profile (OpenID Connect Core section 5.7).
 * @throws login_rejected without the claim or with an unverified address; name_refused outside the grammar of names
 */
export function accountNameFrom(naming: AccountNaming, claims: Claims): string {
  const template = parseAccountTemplate(naming.claims.account);
  if (template === undefined) throw new TypeError(`no template: ${naming.claims.account}`);
  const value = claimAt(claims, template.claim);
  if (typeof value !== 'string') {
    throw new SallyportError(
      'login_rejected',
      `The identity provider did not send the claim "${template.claim}" that your account is named by. ` +
        'The operator of this server can choose another claim or ask for another scope.',
    );
  }
  if (isEmail(template.claim)) requireVerifiedEmail(naming, claims);
  const { around } = template;
  if (around === null) return canonicalAccountName(value);
  const local = template.localPartOnly ? localPartOf(value, naming.emailDomains) : plain(value);
  return canonicalAccountName(`${around.before}${local}${around.after}@${around.domain}`);
}

/** @throws login_rejected */
export function requireVerifiedEmail(
  { trustEmail }: Pick<AccountNaming, 'trustEmail'>,
  claims: Claims,
): void {
  // Some providers send the flag as text. That one says no is believed in any case.
  const verified = claims['email_verified'];
  if (verified === true || verified === 'true' || (verified === undefined && trustEmail)) return;
  throw new SallyportError(
    'login_rejected',
    verified === undefined
      ? 'The identity provider does not say whether it has verified your e-mail address (claim email_verified), so no ' +
          'account is named after it. The operator of this server can choose another claim for the account, or set ' +
          'trust_email if that provider verifies every address.'
      : 'The identity provider has not verified your e-mail address. Verify it there first.',
  );
}

export function isEmail(claim: string): boolean {
  return claim === 'email' || claim === '/email';
}

function plain(value: string): string {
  if (!value.includes('@')) return value;
  throw new SallyportError(
    'name_refused',
    'The identity provider sent an address where a name without "@" was expected. The operator of this server can ' +
      'write {claim:local} in the account template.',
  );
}

/** Only of an address in the given domains: else alice of one company would be alice of another. */
function localPartOf(value: string, domains: readonly string[] | null): string {
  const [local = '', domain = ''] = canonicalAccountName(value).split('@');
  if (domains?.includes(domain)) return local;
  throw new SallyportError(
    'login_rejected',
    `Addresses of ${domain} may not log in here. Use the account of your organization.`,
  );
}
