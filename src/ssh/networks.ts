/** Networks as `source-address` lists them: the one around an address, and what two lists have in common. Pure. */
import { parseNetwork } from './source-address.ts';

/** Sizes of what one household or office has of its own, as a rule: IPv4 /24, IPv6 /64 (RFC 6177, RFC 8981). */
const usualPrefix: Readonly<Record<number, number>> = { 32: 24, 128: 64 };

/** The network around an address, such as 192.0.2.0/24 or 2001:db8:0:7::/64. @throws certificate_refused */
export function networkAround(address: string): string {
  const { bits, value } = parseNetwork(address);
  const prefix = usualPrefix[bits] ?? bits;
  const hostBits = BigInt(bits - prefix);
  const start = (value >> hostBits) << hostBits;
  return `${bits === 32 ? ipv4Text(start) : ipv6NetworkText(start)}/${prefix}`;
}

/** What is in both lists: of two networks of which one lies in the other, the smaller. @throws certificate_refused */
export function commonNetworks(some: readonly string[], others: readonly string[]): string[] {
  const both = some.flatMap((one) =>
    others.flatMap((other) => (contains(one, other) ? [other] : contains(other, one) ? [one] : [])),
  );
  return [...new Set(both)];
}

/** Whether all of a network, or the one address, lies in another. @throws certificate_refused */
export function contains(outer: string, inner: string): boolean {
  const { bits, value, prefix } = parseNetwork(outer);
  const within = parseNetwork(inner);
  const hostBits = BigInt(bits - prefix);
  return bits === within.bits && prefix <= within.prefix && value >> hostBits === within.value >> hostBits;
}

function ipv4Text(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join('.');
}

/** Of a network whose last four groups are 0. */
function ipv6NetworkText(value: bigint): string {
  const groups = [112n, 96n, 80n, 64n].map((shift) => ((value >> shift) & 0xffffn).toString(16));
  return `${groups.join(':')}::`;
}
