/** Which domains an organization's accounts are named in: the operator says so, no identity provider. */
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';

/** An identity provider speaks only for the domains that the operator gave to its organization. @throws login_rejected */
export async function requireDomain(tx: Tx, name: string, organizationId: string): Promise<void> {
  const domain = name.slice(name.indexOf('@') + 1);
  const row = await tx
    .selectFrom('organization_domains')
    .select('domain')
    .where('domain', '=', domain)
    .where('organization_id', '=', organizationId)
    .executeTakeFirst();
  if (row) return;
  throw new SallyportError(
    'login_rejected',
    `Accounts of ${domain} may not log in through this identity provider. Use an account of your organization, ` +
      'or ask the operator of this server to add the domain to it.',
  );
}
