/** Whom a provider's settings let in, apart from names and groups. Pure. */
import { canonicalAccountName } from '../accounts/identity.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { requireVerifiedEmail } from './account-template.ts';
import { type Claims, claimAt } from './claim-at.ts';

export interface AllowedClaims {
  readonly trustEmail: boolean;
  readonly emailDomains: readonly string[] | null;
  readonly requiredClaims: Readonly<Record<string, readonly string[]>>;
}

/**
 * Every required claim has one of its values, or is a list that holds one; and where e-mail domains are given, the
 * provider has verified an address in one of them.
 * @throws login_rejected
 */
export function requireAllowedClaims(settings: AllowedClaims, claims: Claims): void {
  for (const [reference, accepted] of Object.entries(settings.requiredClaims)) {
    const value = claimAt(claims, reference);
    const said = Array.isArray(value) ? value : [value];
    if (said.some((each) => typeof each === 'string' && accepted.includes(each))) continue;
    throw new SallyportError(
      'login_rejected',
      `Not everybody of this identity provider may log in here: its claim "${reference}" does not say what is ` +
        'expected. Ask the operator of this server, or use another account.',
    );
  }
  if (settings.emailDomains !== null) requireEmailIn(settings.emailDomains, settings, claims);
}

function requireEmailIn(domains: readonly string[], settings: AllowedClaims, claims: Claims): void {
  const { email } = claims;
  if (typeof email !== 'string') {
    throw new SallyportError(
      'login_rejected',
      'The identity provider did not send your e-mail address (claim "email"), by which it is decided here who may ' +
        'log in. Its administrator can add it.',
    );
  }
  requireVerifiedEmail(settings, claims);
  const [, domain = ''] = canonicalAccountName(email).split('@');
  if (domains.includes(domain)) return;
  throw new SallyportError(
    'login_rejected',
    `Addresses of ${domain} may not log in here. Use the account of your organization.`,
  );
}
