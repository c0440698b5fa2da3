/** Names of host certificates beside our own: DNS names, of which several organizations might want the same. */
import { sql } from 'kysely';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';

/**
 * Refuses names that are another organization's: below a domain of it alone, or a name or the address of a machine that it
 * has. What the organization itself has already it may give to its other machines. Else whoever is longer here could take
 * a newer one's names from it.
 * @throws name_taken
 */
export async function refuseOthersHostNames(
  tx: Tx,
  organizationId: string,
  names: readonly string[],
): Promise<void> {
  if (names.length === 0) return;
  const { rows } = await sql<{ name: string }>`
    select claimed.name
    from unnest(${[...names]}::text[]) as claimed (name)
    cross join lateral (
      select bool_or(organization_id = ${organizationId}) as is_own
      from organization_domains
      where claimed.name = domain or right(claimed.name, length(domain) + 1) = '.' || domain
    ) as domains
    cross join lateral (
      select coalesce(bool_or(organization_id = ${organizationId}), false) as is_own, count(*) as count
      from companions
      where revoked_at is null and (claimed.name = any (host_names) or claimed.name = lower(address))
    ) as machines
    where not coalesce(domains.is_own, machines.is_own or machines.count = 0)
    order by claimed.name
    limit 1
  `.execute(tx);
  const [taken] = rows;
  if (taken === undefined) return;
  throw new SallyportError(
    'name_taken',
    `The host name ${taken.name} is another organization's. If it is yours, the operator of the server can give you its domain: sallyport setup`,
  );
}
