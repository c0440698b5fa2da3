import { expect, test } from 'vitest';
import { isReadableAddressList, parseSourceAddresses } from '../../src/ssh/source-address.ts';
import { codeOf } from './refusal.ts';

test.each([
  ['192.0.2.1', ['192.0.2.1']],
  ['192.0.2.0/24,198.51.100.7/32', ['192.0.2.0/24', '198.51.100.7/32']],
  ['2001:db8::/32', ['2001:db8::/32']],
  ['::1,2001:db8:0:0:1::/80', ['::1', '2001:db8:0:0:1::/80']],
  ['128.0.0.0/1', ['128.0.0.0/1']],
])('%s is taken', (list, entries) => {
  expect(parseSourceAddresses(list)).toEqual(entries);
});

test.each([
  ['[abuse 27]', 'an address twice', '192.0.2.1,192.0.2.1'],
  ['[abuse 27]', 'an address twice in two spellings', '192.0.2.1,192.0.2.1/32'],
  ['[abuse 27]', 'an IPv6 network twice in two spellings', '2001:db8::/32,2001:db8:0::/32'],
  ['[abuse 28]', 'IPv4 host bits', '192.0.2.1/24'],
  ['[abuse 28]', 'IPv6 host bits', '2001:db8::1/64'],
  ['[abuse 28]', 'garbage', 'office'],
  ['[abuse 28]', 'nothing', ''],
  ['[abuse 28]', 'an empty entry', '192.0.2.1,,192.0.2.2'],
  ['[abuse 28]', 'a comma at its end', '192.0.2.1,'],
  ['[abuse 28]', 'a space', '192.0.2.1, 192.0.2.2'],
  ['[abuse 28]', 'a negated entry', '!192.0.2.1'],
  ['[abuse 28]', 'a wildcard', '192.0.2.*'],
  ['[abuse 28]', 'a prefix length that is too long', '192.0.2.1/33'],
  ['[abuse 28]', 'an IPv6 prefix length that is too long', '2001:db8::/129'],
  ['[abuse 28]', 'a prefix length with a leading zero', '192.0.2.0/024'],
  ['[abuse 28]', 'an empty prefix length', '192.0.2.0/'],
  ['[abuse 28]', 'two prefix lengths', '192.0.2.0/24/24'],
  ['[abuse 28]', 'a netmask', '192.0.2.0/255.255.255.0'],
  ['[abuse 28]', 'a short IPv4 address', '192.0.2'],
  ['[abuse 28]', 'an octal IPv4 address', '192.0.2.010'],
  ['[abuse 28]', 'a line end', '192.0.2.1\n'],
  ['[abuse 29]', 'the whole of IPv4', '0.0.0.0/0'],
  ['[abuse 29]', 'the whole of IPv6', '::/0'],
  ['[abuse 30]', 'an IPv4-mapped address', '::ffff:192.0.2.1'],
  ['[abuse 30]', 'an IPv4-mapped address in hexadecimal', '::ffff:c000:201'],
  ['[abuse 30]', 'an IPv4-mapped network', '::ffff:c000:200/120'],
  ['[abuse 30]', 'a zone id', 'fe80::1%eth0'],
  ['[abuse 30]', 'upper-case digits', '2001:DB8::/32'],
])('%s a list with %s is refused', (_, __, list) => {
  expect(codeOf(() => parseSourceAddresses(list))).toBe('certificate_refused');
});

test.each([
  ['::ffff:192.0.2.1', true],
  ['::192.0.2.0/120', true],
  ['1:2:3:4:5:6:192.0.2.1', true],
  ['::ffff:192.0.2.1/120', false],
])('IPv4 inside IPv6 in a list of somebody else, %s: readable is %s', (list, readable) => {
  expect(isReadableAddressList(list)).toBe(readable);
});
