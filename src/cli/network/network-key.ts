/** Which network this machine is in, so that what works there is known when it comes back. Pure. */
import { createHash } from 'node:crypto';
import type { NetworkInterfaceInfo } from 'node:os';

type Interfaces = NodeJS.Dict<NetworkInterfaceInfo[]>;

/** The networks that the machine has addresses in, as a digest: a file of them would tell where somebody has been. */
export function networkKey(interfaces: Interfaces): string {
  const networks = Object.values(interfaces)
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, cidr, address }) => !internal && cidr !== null && !address.startsWith('fe80:'))
    .map(({ address, netmask }) => networkOf(address, netmask));
  const text = [...new Set(networks)].sort().join(' ');
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}

/** IPv4 without the host's bits; IPv6 by its first 64, since the others change by the day. */
function networkOf(address: string, netmask: string): string {
  if (address.includes(':')) return new URL(`http://[${address}]`).hostname.split(':').slice(0, 4).join(':');
  const bits = netmask.split('.').map(Number);
  return address
    .split('.')
    .map((part, at) => Number(part) & (bits[at] ?? 255))
    .join('.');
}
