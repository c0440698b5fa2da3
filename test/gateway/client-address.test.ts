import { beforeEach, describe, expect, test } from 'vitest';
import { ClientAddresses, type ClientAddressesOptions } from '../../src/gateway/client-address.ts';

const heading =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';

function row(remote: string, state: string, inode: string): string {
  return `   0: 0100007F:0016 ${remote} ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0 20 4 30 10 -1`;
}

/** A process that does not exist, so nobody else's sockets or children come into it. */
const monitor = { pid: 4_194_305, startTime: '' };
const nextMonitor = { ...monitor, pid: 4_194_306 };

function addresses(rows: readonly string[], more: ClientAddressesOptions = {}): ClientAddresses {
  const readTable = (_: number, table: string) =>
    table === 'tcp' ? `${[heading, ...rows].join('\n')}\n` : `${heading}\n`;
  return new ClientAddresses({ readTable, socketsOf: () => ['42'], ...more });
}

test.each([
  ['an IPv4 address', '0A01A8C0:C350', '192.168.1.10'],
  ['an IPv6 address', 'B80D0120000000000000000001000000:C350', '2001:db8::1'],
  ['an IPv4 address on an IPv6 socket', '0000000000000000FFFF00000A01A8C0:C350', '192.168.1.10'],
])('%s is read from the table of the kernel', (_, remote, address) => {
  expect(addresses([row(remote, '01', '42')]).of(monitor)).toBe(address);
});

test('sockets of others, and those that only listen, are nobody', () => {
  const rows = [row('0A01A8C0:C350', '01', '43'), row('00000000:0000', '0A', '42')];
  expect(addresses(rows).of(monitor)).toBeUndefined();
});

test('of a process that is gone nothing is known', () => {
  expect(new ClientAddresses().of(monitor)).toBeUndefined();
});

describe('when many come', () => {
  const first = { holder: monitor, inode: '41', row: row('0A01A8C0:C350', '01', '41') };
  const second = { holder: nextMonitor, inode: '42', row: row('0B01A8C0:C350', '01', '42') };
  let now: number;
  /** Those who are there, and which tables were read for them. */
  let there: (typeof first)[];
  let reads: string[];
  beforeEach(() => {
    now = 0;
    there = [first, second];
    reads = [];
  });

  function addressesIn(table: 'tcp' | 'tcp6'): ClientAddresses {
    return new ClientAddresses({
      readTable: (_, name) => {
        reads.push(name);
        return [heading, ...(name === table ? there.map((one) => one.row) : [])].join('\n');
      },
      socketsOf: (pid) => there.filter(({ holder }) => holder.pid === pid).map(({ inode }) => inode),
      nowSeconds: () => now,
    });
  }

  test.each([
    ['tcp', ['tcp']],
    ['tcp6', ['tcp', 'tcp6']],
  ] as const)('what was read of %s for one of them serves the others', (table, expected) => {
    const addresses = addressesIn(table);
    expect([addresses.of(monitor), addresses.of(nextMonitor)]).toEqual(['192.168.1.10', '192.168.1.11']);
    expect(reads).toEqual(expected);
  });

  test('who came after that is looked for anew', () => {
    const addresses = addressesIn('tcp');
    there = [first];
    addresses.of(monitor);
    there = [first, second];
    expect(addresses.of(nextMonitor)).toBe('192.168.1.11');
  });

  test('what was read long ago does not count', () => {
    const addresses = addressesIn('tcp');
    addresses.of(monitor);
    now += 11;
    addresses.of(monitor);
    expect(reads).toEqual(['tcp', 'tcp']);
  });
});
