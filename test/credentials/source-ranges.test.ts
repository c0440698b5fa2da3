import { expect, test } from 'vitest';
import { checkSourceRanges, isInRanges } from '../../src/credentials/source-ranges.ts';

test.each([
  ['192.0.2.7', ['192.0.2.0/24'], true],
  ['192.0.3.7', ['192.0.2.0/24'], false],
  ['192.0.2.7', ['192.0.2.7'], true],
  ['192.0.2.8', ['192.0.2.7', '198.51.100.0/24'], false],
  ['198.51.100.9', ['192.0.2.7', '198.51.100.0/24'], true],
  ['::ffff:192.0.2.7', ['192.0.2.0/24'], true],
  ['2001:db8::1', ['2001:db8::/32'], true],
  ['2001:db9::1', ['2001:db8::/32'], false],
  ['192.0.2.7', ['2001:db8::/32'], false],
  ['unknown', ['192.0.2.0/24'], false],
  ['', ['192.0.2.0/24'], false],
  ['anything', [], true],
])('%s in %j: %s', (address, ranges, expected) => {
  expect(isInRanges(address, ranges)).toBe(expected);
});

test.each([
  [['0.0.0.0/0']],
  [['::/0']],
  [['192.0.2.1/24']],
  [['192.0.2.0/33']],
  [['192.0.2.0/24', '192.0.2.0/24']],
  [['192.0.2.0/24,198.51.100.0/24']],
  [['office.example.com']],
  [['fe80::1%eth0']],
  [['::ffff:192.0.2.7']],
  [['']],
])('%j is refused', (ranges) => {
  expect(() => checkSourceRanges(ranges)).toThrowError(
    expect.objectContaining({ code: 'request_malformed' }),
  );
});

test('good ranges, and none, are taken', () => {
  checkSourceRanges([]);
  checkSourceRanges(['192.0.2.7', '198.51.100.0/24', '2001:db8::/32']);
});
