import { describe, expect, test } from 'vitest';
import { guesserOf, guessersNetworkOf } from '../../src/limits/guesser-of.ts';
import { isSameNetwork } from '../../src/oauth/device-network.ts';

describe('two addresses', () => {
  test.each([
    ['203.0.113.9', '203.0.113.250'],
    ['::ffff:203.0.113.9', '203.0.113.10'],
    ['2001:db8:1:2::1', '2001:db8:1:ffff::9'],
    ['2001:DB8:1::1', '2001:db8:1:0:0:0:0:2'],
    ['fe80::1%eth0', 'fe80::2'],
    ['127.0.0.1', '127.9.9.9'],
    ['127.0.0.1', '::1'],
  ])('%s and %s are of one network', (one, other) => {
    expect(isSameNetwork(one, other)).toBe(true);
    expect(isSameNetwork(other, one)).toBe(true);
  });

  test.each([
    ['203.0.113.9', '203.0.114.9'],
    ['203.0.113.9', '2001:db8::1'],
    ['2001:db8:1::1', '2001:db8:2::1'],
    ['127.0.0.1', '203.0.113.9'],
    ['::1', '2001:db8::1'],
    ['unknown', 'unknown'],
    ['', ''],
    ['203.0.113.9', '203.0.113'],
  ])('"%s" and "%s" are not', (one, other) => {
    expect(isSameNetwork(one, other)).toBe(false);
    expect(isSameNetwork(other, one)).toBe(false);
  });
});

describe('guesses', () => {
  test.each([
    ['203.0.113.9', '203.0.113.9'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['somewhere', 'unknown'],
  ])('from %s count for %s', (address, guesser) => {
    expect(guesserOf(address)).toBe(guesser);
  });

  test.each([
    ['203.0.113.9', '203.0.113.0/24'],
    ['::ffff:203.0.113.9', '203.0.113.0/24'],
    ['2001:db8:1:2::1', '2001:db8:1::/48'],
    ['::1', '0:0:0::/48'],
    ['somewhere', 'unknown'],
  ])('from %s count for the network %s too', (address, network) => {
    expect(guessersNetworkOf(address)).toBe(network);
  });
});
