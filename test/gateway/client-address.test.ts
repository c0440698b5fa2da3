import { expect, test } from 'vitest';
import { clientAddress, peerOf } from '../../src/gateway/client-address.ts';

const heading =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';

function row(remote: string, state: string, inode: string): string {
  return `   0: 0100007F:0016 ${remote} ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0 20 4 30 10 -1`;
}

test.each([
  ['an IPv4 address', '0A01A8C0:C350', '192.168.1.10'],
  ['an IPv6 address', 'B80D0120000000000000000001000000:C350', '2001:db8::1'],
  ['an IPv4 address on an IPv6 socket', '0000000000000000FFFF00000A01A8C0:C350', '192.168.1.10'],
])('%s is read from the table of the kernel', (_, remote, address) => {
  expect(peerOf([heading, row(remote, '01', '42')].join('\n'), new Set(['42']))).toBe(address);
});

test('sockets of others, and those that only listen, are nobody', () => {
  const table = [heading, row('0A01A8C0:C350', '01', '43'), row('00000000:0000', '0A', '42'), ''].join('\n');
  expect(peerOf(table, new Set(['42']))).toBeUndefined();
});

test('of a process that is gone nothing is known', () => {
  expect(clientAddress({ pid: 4_194_305, startTime: '' })).toBeUndefined();
});
