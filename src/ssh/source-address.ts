/**
 * The `source-address` critical option: addresses and networks that a certificate may be used from. sshd refuses every
 * login with a list that it cannot read (addr_match_cidr_list in addrmatch.c), so a typing mistake locks people out,
 * and it accepts 0.0.0.0/0, which says nothing. Hence a stricter grammar than sshd's: comma-separated, no white space,
 * lower case, no host bits, nothing twice, neither zone ids nor IPv4 inside IPv6.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { SallyportError } from '../errors/sallyport-error.ts';

/** The entries of a list, each "address" or "network/prefix length". @throws certificate_refused */
export function parseSourceAddresses(list: string): readonly string[] {
  const entries = list.split(',');
  const networks = entries.map(canonicalNetwork);
  if (new Set(networks).size < networks.length) throw refused('names a network twice');
  return entries;
}

/**
 * Whether sshd could read a list that somebody else put into a certificate: upper case, repeated networks, IPv4 inside
 * IPv6 and networks of everything are allowed, host bits are not. The short and octal spellings of IPv4 that sshd takes
 * as well are not read here.
 */
export function isReadableAddressList(list: string): boolean {
  return list.split(',').every((entry) => {
    const [address = '', length, ...more] = entry.split('/');
    const family = isIPv4(address) ? ipv4 : isIPv6(address) && !address.includes('%') ? ipv6 : undefined;
    if (family === undefined || more.length > 0 || !/^[0-9]{1,3}$/.test(length ?? `${family.bits}`))
      return false;
    const hostBits = family.bits - Number(length ?? family.bits);
    return hostBits >= 0 && BigInt.asUintN(hostBits, family.toNumber(address)) === 0n;
  });
}

/** One spelling for each network, to find repeated ones. */
function canonicalNetwork(entry: string): string {
  const { value, prefix, bits } = parseNetwork(entry);
  return `${value}/${prefix} of ${bits}`;
}

export interface Network {
  /** 32 or 128: IPv4 or IPv6. */
  readonly bits: number;
  readonly value: bigint;
  /** Length of the part of `value` that counts; the rest is 0. */
  readonly prefix: number;
}

/** One entry of a list. @throws certificate_refused */
export function parseNetwork(entry: string): Network {
  const [address = '', length, ...more] = entry.split('/');
  const family = familyOf(address);
  const prefix = length ?? `${family.bits}`;
  if (more.length > 0 || !/^[1-9][0-9]{0,2}$/.test(prefix) || Number(prefix) > family.bits) {
    throw refused('has a prefix length that is no number from 1 to 32 (IPv4) or 128 (IPv6)');
  }
  const value = family.toNumber(address);
  const hostBits = BigInt(family.bits - Number(prefix));
  if ((value >> hostBits) << hostBits !== value) {
    throw refused('has bits set after the prefix; write the network address, such as 192.0.2.0/24');
  }
  if (family.bits === 128 && value >> 32n === 0xffffn) throw refused('holds an IPv4 address written as IPv6');
  return { bits: family.bits, value, prefix: Number(prefix) };
}

interface AddressFamily {
  readonly bits: number;
  toNumber(address: string): bigint;
}

const ipv4: AddressFamily = { bits: 32, toNumber: ipv4Number };
const ipv6: AddressFamily = { bits: 128, toNumber: ipv6Number };

function familyOf(address: string): AddressFamily {
  if (isIPv4(address)) return ipv4;
  if (isIPv6(address) && /^[0-9a-f:]+$/.test(address)) return ipv6;
  throw refused('must be IPv4 or lower-case IPv6 addresses or networks, separated by commas only');
}

function ipv4Number(address: string): bigint {
  return address.split('.').reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/** RFC 4291 section 2.2: eight groups, of which one run of zeros may be written "::", and the last two as IPv4. */
function ipv6Number(address: string): bigint {
  const [head = '', tail] = address.replace(/[0-9.]+\.[0-9]+$/, groupsOfIpv4).split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail ? tail.split(':') : [];
  const zeros = Array<string>(8 - before.length - after.length).fill('0');
  return [...before, ...zeros, ...after].reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}

function groupsOfIpv4(address: string): string {
  const value = ipv4Number(address);
  return `${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`;
}

function refused(problem: string): SallyportError {
  return new SallyportError('certificate_refused', `The source-address list ${problem}.`);
}
