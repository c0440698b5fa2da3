/** Whether two addresses are of one network, as far as their numbers tell. Pure. */
import { BlockList, isIPv4 } from 'node:net';
import { plainAddress } from '../limits/guesser-of.ts';

/** What one office or household has at least: an IPv4 /24, an IPv6 /48. */
const prefixes = { ipv4: 24, ipv6: 48 } as const;

export function isSameNetwork(one: string, other: string): boolean {
  const [a, b] = [plainAddress(one), plainAddress(other)];
  if (a === undefined || b === undefined) return false;
  if (isLoopback(a) && isLoopback(b)) return true;
  const family = familyOf(a);
  return family === familyOf(b) && subnet(a, prefixes[family]).check(b, family);
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
