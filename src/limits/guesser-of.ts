/** Whose attempts count together, as far as an address tells. Pure. */
import { isIPv4, isIPv6 } from 'node:net';

/** An IPv4 address, or the IPv6 /64 that one machine can pick addresses from. */
export function guesserOf(address: string): string {
  const it = plainAddress(address);
  if (it === undefined) return 'unknown';
  return isIPv4(it) ? it : `${groupsOf(it).slice(0, 4).join(':')}::/64`;
}

/** What one customer may have of addresses: an IPv4 /24, an IPv6 /48. */
export function guessersNetworkOf(address: string): string {
  const it = plainAddress(address);
  if (it === undefined) return 'unknown';
  if (isIPv4(it)) return `${it.split('.').slice(0, 3).join('.')}.0/24`;
  return `${groupsOf(it).slice(0, 3).join(':')}::/48`;
}

/** Without a zone, and IPv4 as IPv4 wherever it came in on an IPv6 socket. Undefined: no address. */
export function plainAddress(address: string): string | undefined {
  const it = address.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '');
  return isIPv4(it) || isIPv6(it) ? it : undefined;
}

function groupsOf(address: string): string[] {
  const compressed = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = '', tail] = compressed.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  return tail === undefined ? left : [...left, ...Array(8 - left.length - right.length).fill('0'), ...right];
}
