/** What bounds from where a certificate is good: networks of API tokens, and the gateways that people come through. */
import { isIP } from 'node:net';
import type { Tx } from '../database/database.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import { checkSourceRanges } from './source-ranges.ts';

/** The ranges of those of the API tokens that are bound to some, by id. */
export async function rangesOfTokens(
  tx: Tx,
  credentialIds: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  if (credentialIds.length === 0) return new Map();
  const rows = await tx
    .selectFrom('api_tokens')
    .select(['id', 'source_ranges'])
    .where('id', 'in', [...new Set(credentialIds)])
    .execute();
  return new Map(
    rows.flatMap(({ id, source_ranges }) => (source_ranges.length > 0 ? [[id, source_ranges] as const] : [])),
  );
}

/**
 * The IP addresses that each organization's gateways are seen to come from. One that is known by name only has none here:
 * whoever jumps through it with a bound certificate is refused at the target.
 */
export async function gatewayAddresses(
  tx: Tx,
  organizationIds: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  if (organizationIds.length === 0) return new Map();
  const rows = await tx
    .selectFrom('companions')
    .select(['organization_id', 'address', 'source_address'])
    .where('organization_id', 'in', [...new Set(organizationIds)])
    .where('kind', '=', 'gateway')
    .where('enrolled_at', 'is not', null)
    .where('revoked_at', 'is', null)
    .orderBy('name')
    .execute();
  const found = new Map<string, string[]>();
  for (const { organization_id, address, source_address } of rows) {
    const seen = source_address ?? address.toLowerCase();
    if (isIP(seen) === 0 || !isReadable(seen)) continue;
    found.set(organization_id, [...(found.get(organization_id) ?? []), seen]);
  }
  return found;
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
