/**
 * From where a certificate is good: the networks of the API token that it comes from, and where the organization pins
 * certificates, the address that it was asked for from or the network of that address. Both hold together. The gateways'
 * own addresses are added: whoever jumps through one comes to the target from there, and was let into the gateway from
 * where the list says.
 */
import { commonNetworks, contains, networkAround } from '../ssh/networks.ts';
import type { SourcePinning } from './facts.ts';
import { type Reason, reason } from './reasons.ts';

export interface SourceFacts {
  readonly pinning: SourcePinning;
  /** As the server sees it behind its trusted proxies; null: nobody knows. */
  readonly clientAddress: string | null;
  /** Of the API token; none: from everywhere. */
  readonly ranges: readonly string[];
  /** IP addresses of the organization's gateways. */
  readonly gateways: readonly string[];
}

export type SourceDecision =
  /** For the critical option `source-address`; none: from everywhere. */
  | { readonly allowed: true; readonly sources: readonly string[] }
  | { readonly allowed: false; readonly reason: Reason };

export function decideSource(facts: SourceFacts): SourceDecision {
  const { gateways } = facts;
  const own = ownSources(facts);
  if (own === 'anywhere') return { allowed: true, sources: [] };
  if (own.length === 0) {
    return {
      allowed: false,
      reason: reason('source_refused', facts.clientAddress ?? 'an unknown address'),
    };
  }
  const more = gateways.filter((address) => !own.some((network) => contains(network, address)));
  return { allowed: true, sources: [...own, ...new Set(more)] };
}

function ownSources({ pinning, clientAddress, ranges }: SourceFacts): readonly string[] | 'anywhere' {
  if (pinning === 'off') return ranges.length > 0 ? ranges : 'anywhere';
  // Where nobody knows from where: good from nowhere, rather than from everywhere.
  if (clientAddress === null) return [];
  const pinned = [pinning === 'network' ? networkAround(clientAddress) : clientAddress];
  return ranges.length > 0 ? commonNetworks(pinned, ranges) : pinned;
}
