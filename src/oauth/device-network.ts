/** Whether two addresses are of one network, as far as their numbers tell. Pure. */
import { BlockList, isIPv4, isIPv6 } from 'node:net';

/** What one office or household has at least: an IPv4 /24, an IPv6 /48. */
const prefixes = { ipv4: 24, ipv6: 48 } as const;

export function isSameNetwork(one: string, other: string): boolean {
  const [a, b] = [plain(one), plain(other)];
  if (a === undefined || b === undefined) return false;
  if (isLoopback(a) && isLoopback(b)) return true;
  const family = familyOf(a);
  return family === familyOf(b) && subnet(a, prefixes[family]).check(b, family);
}

/** Whose guesses count together: an IPv4 address, or the IPv6 /64 that one machine can pick addresses from. */
export function guesserOf(address: string): string {
  const it = plain(address);
  if (it === undefined) return 'unknown';
  if (familyOf(it) === 'ipv4') return it;
  const groups = new URL(`http://[${it}]`).hostname.slice(1, -1);
  return `${fullGroups(groups).slice(0, 4).join(':')}::/64`;
}

/** Without a zone, and IPv4 as IPv4 wherever it came in on an IPv6 socket. Undefined: no address. */
function plain(address: string): string | undefined {
  const it = address.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '');
  return isIPv4(it) || isIPv6(it) ? it : undefined;
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv4(address) ? 'ipv4' : 'ipv6';
}

function isLoopback(address: string): boolean {
  return isIPv4(address) ? address.startsWith('127.') : subnet('::1', 128).check(address, 'ipv6');
}

function subnet(address: string, prefix: number): BlockList {
  const list = new BlockList();
  list.addSubnet(address, prefix, familyOf(address));
  return list;
}

function fullGroups(compressed: string): string[] {
  const [head = '', tail] = compressed.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  return tail === undefined ? left : [...left, ...Array(8 - left.length - right.length).fill('0'), ...right];
}
