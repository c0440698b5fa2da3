/** Where certificates of API tokens may be used from: the token's ranges, which sshd then holds them to. */
import { isIP } from 'node:net';
import type { Tx } from '../database/database.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import { checkSourceRanges, isInRanges } from './source-ranges.ts';

/**
 * For those of the credentials that are bound to ranges, by id. The addresses of the organization's gateways are among
 * them: whoever jumps through a gateway comes to the target from there.
 */
export async function certificateSources(
  tx: Tx,
  credentialIds: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  if (credentialIds.length === 0) return new Map();
  const rows = await tx
    .selectFrom('api_tokens')
    .select(['id', 'organization_id', 'source_ranges'])
    .where('id', 'in', [...new Set(credentialIds)])
    .execute();
  const bound = rows.filter(({ source_ranges }) => source_ranges.length > 0);
  if (bound.length === 0) return new Map();
  const gateways = await tx
    .selectFrom('companions')
    .select(['organization_id', 'address', 'source_address'])
    .where('organization_id', 'in', [...new Set(bound.map(({ organization_id }) => organization_id))])
    .where('kind', '=', 'gateway')
    .where('enrolled_at', 'is not', null)
    .where('revoked_at', 'is', null)
    .orderBy('name')
    .execute();
  return new Map(
    bound.map(({ id, organization_id, source_ranges }) => {
      const addresses = gateways
        .filter((gateway) => gateway.organization_id === organization_id)
        .map(({ address, source_address }) => source_address ?? address.toLowerCase())
        .filter(
          (address) => isIP(address) !== 0 && isReadable(address) && !isInRanges(address, source_ranges),
        );
      return [id, [...source_ranges, ...new Set(addresses)]];
    }),
  );
}

function isReadable(address: string): boolean {
  try {
    checkSourceRanges([address]);
    return true;
  } catch (error) {
    if (isSallyportError(error)) return false;
    throw error;
  }
}
