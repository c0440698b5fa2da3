/** What the inventory accepts as names and addresses: parts of ssh_config and of certificates later. Pure. */
import { isIP } from 'node:net';
import { SallyportError } from '../errors/sallyport-error.ts';
import { isSlug } from '../ssh/names.ts';
import { parseSourceAddresses } from '../ssh/source-address.ts';

const addressPattern = /^[a-zA-Z0-9]([a-zA-Z0-9.:-]{0,251}[a-zA-Z0-9])?$/;
const loginPattern = /^[a-z_][a-z0-9_-]{0,31}$/;

/** @throws name_refused */
export function checkSlug(noun: string, slug: string): void {
  if (isSlug(slug)) return;
  throw new SallyportError(
    'name_refused',
    `${quoted(slug)} is not acceptable as ${noun}: expected 1 to 40 characters of a-z, 0-9 and single - between them.`,
  );
}

/** A host name or an IP address and a port; nothing that ssh_config would read as more. @throws name_refused */
export function checkAddress({ address, port }: { address: string; port: number }): void {
  if (!addressPattern.test(address)) {
    throw new SallyportError(
      'name_refused',
      `${quoted(address)} is not an address: expected a host name or an IP address such as web.example.com.`,
    );
  }
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new SallyportError('name_refused', `${port} is not a port: expected 1 to 65535.`);
  }
}

/** One IP address, as the `source-address` option of a certificate can hold it. @throws name_refused */
export function checkSourceAddress(address: string): void {
  if (isIP(address) !== 0 && isOneSourceAddress(address)) return;
  throw new SallyportError(
    'name_refused',
    `${quoted(address)} is not a source address: expected an IP address in lower case, such as 192.0.2.10 or 2001:db8::10.`,
  );
}

function isOneSourceAddress(address: string): boolean {
  try {
    return parseSourceAddresses(address).length === 1;
  } catch {
    return false;
  }
}

/** @throws name_refused */
export function checkLogin(login: string): void {
  if (loginPattern.test(login)) return;
  throw new SallyportError(
    'name_refused',
    `${quoted(login)} is not a login name: expected 1 to 32 characters of a-z, 0-9, _ and -, such as deploy.`,
  );
}

/** The person's own words, printable and short. */
function quoted(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/g, '?').slice(0, 60)}"`;
}
