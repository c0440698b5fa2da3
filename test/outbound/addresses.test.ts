import { expect, test } from 'vitest';
import { type AddressKind, addressKind, isWithin, networkList } from '../../src/outbound/addresses.ts';

const kinds: Record<AddressKind, readonly string[]> = {
  public: [
    '93.184.216.34',
    '8.8.8.8',
    '172.15.255.255',
    '172.32.0.1',
    '100.63.255.255',
    '100.128.0.1',
    '2606:2800:220:1::1',
    '::ffff:8.8.8.8',
    '64:ff9b::808:808',
  ],
  private: [
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '100.64.0.1',
    '100.127.255.255',
    'fc00::1',
    'fd12:3456::1',
    '::ffff:10.0.0.1',
    '::ffff:c0a8:101',
    '64:ff9b::a00:1',
  ],
  loopback: [
    '127.0.0.1',
    '127.255.255.254',
    '::1',
    '0:0:0:0:0:0:0:1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '64:ff9b::7f00:1',
  ],
  'link-local': ['169.254.0.1', 'fe80::1', 'febf::1', 'fe80::1%eth0', '::ffff:169.254.1.1'],
  metadata: [
    '169.254.169.254',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '64:ff9b::a9fe:a9fe',
    '169.254.170.2',
    '100.100.100.200',
    '168.63.129.16',
    'fd00:ec2::254',
    'fd20:ce::254',
  ],
  multicast: ['224.0.0.1', '239.255.255.255', 'ff02::1'],
  reserved: [
    '0.0.0.0',
    '0.1.2.3',
    '192.0.2.1',
    '198.18.0.1',
    '198.51.100.7',
    '203.0.113.7',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::7f00:1',
    '64:ff9b:1::a00:1',
    '100::1',
    '2001::1',
    '2001:db8::1',
    '2002:a00:1::',
    '3fff::1',
    'fec0::1',
    'not an address',
    '',
  ],
};

test.each(Object.entries(kinds).flatMap(([kind, list]) => list.map((address) => [address, kind])))(
  '%s is %s',
  (address, kind) => {
    expect(addressKind(address)).toBe(kind);
  },
);

test('a list of networks holds what is in them', () => {
  const list = networkList(['10.1.0.0/16', 'fd00::/8', '192.168.7.7']);
  const within = (address: string) => isWithin(address, list);
  expect(['10.1.2.3', 'fd00::7', '192.168.7.7'].map(within)).toEqual([true, true, true]);
  expect(['10.2.0.1', 'fc00::1', '192.168.7.8'].map(within)).toEqual([false, false, false]);
});
