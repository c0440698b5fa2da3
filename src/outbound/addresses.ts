/** What an IP address is, so that a name from somebody else's document leads nowhere inside. Pure. */
import { BlockList, isIP } from 'node:net';

/**
 * `metadata`: where clouds tell a machine its own secrets. `reserved`: nothing that a server on the internet has (IANA's
 * special-purpose registries, RFC 6890), or a form that hides another address.
 */
export type AddressKind =
  | 'public'
  | 'private'
  | 'loopback'
  | 'link-local'
  | 'metadata'
  | 'multicast'
  | 'reserved';

/** The first that matches counts. */
const networks: readonly (readonly [network: string, kind: AddressKind])[] = [
  ['169.254.169.254/32', 'metadata'],
  ['169.254.170.2/32', 'metadata'],
  ['100.100.100.200/32', 'metadata'],
  ['168.63.129.16/32', 'metadata'],
  ['192.0.0.192/32', 'metadata'],
  ['fd00:ec2::254/128', 'metadata'],
  ['fd20:ce::254/128', 'metadata'],
  ['127.0.0.0/8', 'loopback'],
  ['::1/128', 'loopback'],
  ['10.0.0.0/8', 'private'],
  ['100.64.0.0/10', 'private'],
  ['172.16.0.0/12', 'private'],
  ['192.168.0.0/16', 'private'],
  ['fc00::/7', 'private'],
  ['169.254.0.0/16', 'link-local'],
  ['fe80::/10', 'link-local'],
  ['224.0.0.0/4', 'multicast'],
  ['ff00::/8', 'multicast'],
  ['0.0.0.0/8', 'reserved'],
  ['192.0.0.0/24', 'reserved'],
  ['192.0.2.0/24', 'reserved'],
  ['192.88.99.0/24', 'reserved'],
  ['198.18.0.0/15', 'reserved'],
  ['198.51.100.0/24', 'reserved'],
  ['203.0.113.0/24', 'reserved'],
  ['240.0.0.0/4', 'reserved'],
  // Everything of IPv6 that is not global unicast (RFC 4291 section 2.4), and what within it is special.
  ['2001::/23', 'reserved'],
  ['2001:db8::/32', 'reserved'],
  ['2002::/16', 'reserved'],
  ['3fff::/20', 'reserved'],
];

const kinds = networks.map(([network, kind]) => ({ kind, list: networkList([network]) }));
const globalUnicast = networkList(['2000::/3']);

/** @param address as Node's resolver and sockets write it; a zone makes it link-local */
export function addressKind(address: string): AddressKind {
  const version = isIP(address);
  if (version === 0) return 'reserved';
  if (address.includes('%')) return 'link-local';
  const embedded = version === 6 ? embeddedAddress(address) : undefined;
  if (embedded !== undefined) return addressKind(embedded);
  const found = kinds.find(({ list }) => isWithin(address, list));
  if (found) return found.kind;
  return version === 4 || isWithin(address, globalUnicast) ? 'public' : 'reserved';
}

/** @param given addresses or networks in CIDR notation */
export function networkList(given: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of given) {
    const [address = '', bits] = network.split('/');
    const version = isIP(address);
    if (version === 0) throw new TypeError(`no network: ${network}`);
    const longest = version === 4 ? 32 : 128;
    list.addSubnet(address, bits === undefined ? longest : Number(bits), `ipv${version}` as 'ipv4' | 'ipv6');
  }
  return list;
}

export function isWithin(address: string, list: BlockList): boolean {
  return list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
}

/** The IPv4 address that an IPv6 one leads to: IPv4-mapped (RFC 4291 section 2.5.5.2) or through NAT64 (RFC 6052). */
function embeddedAddress(address: string): string | undefined {
  const groups = groupsOf(address);
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  const translated =
    groups[0] === 0x64 && groups[1] === 0xff9b && groups.slice(2, 6).every((group) => group === 0);
  if (!mapped && !translated) return undefined;
  return groups
    .slice(6)
    .flatMap((group) => [group >> 8, group & 255])
    .join('.');
}

/** The eight groups. A URL writes every form of an address in one. */
function groupsOf(address: string): number[] {
  const written = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [before = '', after] = written.split('::');
  const read = (part: string) =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const [head, tail] = [read(before), read(after ?? '')];
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => 0);
  return [...head, ...zeros, ...tail];
}
