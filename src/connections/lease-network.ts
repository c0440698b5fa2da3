/** How much of the Internet a lease may open a firewall to, pure. */
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { parseNetwork } from '../ssh/source-address.ts';

/** The shortest prefix lengths: a home or an office for everybody; nothing near everything for admins. */
const widest = { person: { 32: 24, 128: 56 }, admin: { 32: 8, 128: 32 } } as const;

/**
 * One spelling for each network, without a prefix length that says nothing.
 * @throws request_malformed; forbidden if it is wider than the caller may open
 */
export function checkLeaseNetwork(text: string, { isAdmin }: { readonly isAdmin: boolean }): string {
  const { bits, prefix } = readNetwork(text);
  const limits = isAdmin ? widest.admin : widest.person;
  const limit = bits === 32 ? limits[32] : limits[128];
  if (prefix < limit) {
    throw new SallyportError(
      'forbidden',
      `A lease for ${text} is too wide: at most /${limits[32]} of IPv4 and /${limits[128]} of IPv6${isAdmin ? '' : ', but for admins'}.`,
    );
  }
  return prefix === bits ? text.replace(/\/[0-9]+$/, '') : text;
}

function readNetwork(text: string) {
  try {
    return parseNetwork(text);
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    throw new SallyportError(
      'request_malformed',
      'A lease is for an address or a network such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/56, without bits set after the prefix.',
      { detail: error.message },
    );
  }
}
