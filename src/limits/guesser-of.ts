/** Whose attempts count together, as far as an address tells. Pure. */
import { isIPv4, isIPv6 } from 'node:net';

/** An IPv4 address, or the IPv6 /64 that one machine can pick addresses from. */
export function guesserOf(address: string): string {
  const it = plainAddress(address);
  if (it === undefined) return 'unknown';
  if (isIPv4(it)) return it;
  const groups = new URL(`http://[${it}]`).hostname.slice(1, -1);
  return `${fullGroups(groups).slice(0, 4).join(':')}::/64`;
}

/** Without a zone, and IPv4 as IPv4 wherever it came in on an IPv6 socket. Undefined: no address. */
export function plainAddress(address: string): string | undefined {
  const it = address.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '');
  return isIPv4(it) || isIPv6(it) ? it : undefined;
}

function fullGroups(compressed: string): string[] {
  const [head = '', tail] = compressed.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  return tail === undefined ? left : [...left, ...Array(8 - left.length - right.length).fill('0'), ...right];
}
