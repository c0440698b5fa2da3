import { describe, expect, it } from 'vitest';
import { commonNetworks, contains, networkAround } from '../../src/ssh/networks.ts';
import { parseSourceAddresses } from '../../src/ssh/source-address.ts';

describe('networkAround', () => {
  it.each([
    ['192.0.2.77', '192.0.2.0/24'],
    ['255.255.255.255', '255.255.255.0/24'],
    ['0.0.0.1', '0.0.0.0/24'],
    ['2001:db8:0:7:aaaa:bbbb:cccc:dddd', '2001:db8:0:7::/64'],
    ['fe80::1', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
  ])('of %s is %s, as sshd reads it', (address, network) => {
    expect(networkAround(address)).toBe(network);
    expect(parseSourceAddresses(network)).toEqual([network]);
    expect(contains(network, address)).toBe(true);
  });
});

describe('contains', () => {
  it.each([
    ['10.0.0.0/8', '10.1.2.3', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.0.0.0/8', '10.0.0.0/8', true],
    ['10.0.0.0/16', '10.0.0.0/8', false],
    ['10.1.2.3', '10.1.2.3', true],
    ['2001:db8::/32', '2001:db8:1::/48', true],
    ['::/1', '10.0.0.1', false],
  ])('%s holds %s: %j', (outer, inner, expected) => {
    expect(contains(outer, inner)).toBe(expected);
  });
});

it('commonNetworks names each once, the smaller of two', () => {
  expect(commonNetworks(['10.0.0.0/8', '10.1.0.0/16'], ['10.1.2.0/24', '192.0.2.1'])).toEqual([
    '10.1.2.0/24',
  ]);
  expect(commonNetworks(['192.0.2.1'], ['10.0.0.0/8'])).toEqual([]);
});
