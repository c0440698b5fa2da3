/** Addresses and networks that a credential may be used from. The same grammar as a certificate's `source-address`. */
import { BlockList, isIPv6 } from 'node:net';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { parseSourceAddresses } from '../ssh/source-address.ts';

/** @throws request_malformed */
export function checkSourceRanges(ranges: readonly string[]): void {
  if (ranges.length === 0) return;
  try {
    if (ranges.some((range) => range.includes(',')))
      throw new SallyportError('certificate_refused', 'commas');
    parseSourceAddresses(ranges.join(','));
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    throw new SallyportError(
      'request_malformed',
      'Source ranges must be addresses or networks such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32, without bits set ' +
        'after the prefix and none of them twice.',
      { detail: error.message },
    );
  }
}

/** @param address as the server sees it behind its trusted proxies; one that is no address is in no range */
export function isInRanges(address: string, ranges: readonly string[]): boolean {
  if (ranges.length === 0) return true;
  const list = new BlockList();
  for (const range of ranges) {
    const [network = '', length] = range.split('/');
    const family = isIPv6(network) ? 'ipv6' : 'ipv4';
    if (length === undefined) list.addAddress(network, family);
    else list.addSubnet(network, Number(length), family);
  }
  // A socket that listens on both families calls an IPv4 client ::ffff:192.0.2.7; the list knows that.
  return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}
