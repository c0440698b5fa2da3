import { expect, test } from 'vitest';
import { BackOff, longestRefusedMilliseconds } from '../../src/gateway/back-off.ts';

const pauses = { firstMilliseconds: 250, longestMilliseconds: 30_000 };
const least = 0;
const most = 1 - 2 ** -52;

/** The longest pauses of so many tries in a row. */
function longest(backOff: BackOff, tries: number): number[] {
  return Array.from({ length: tries }, () => Math.round(backOff.next(most)));
}

test('every pause may be anything from nothing on, and doubles until half a minute', () => {
  expect(new BackOff(pauses).next(least)).toBe(0);
  expect(longest(new BackOff(pauses), 9)).toEqual([
    250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000,
  ]);
});

test('a stream that opened begins anew', () => {
  const backOff = new BackOff(pauses);
  longest(backOff, 5);
  backOff.opened();
  expect(longest(backOff, 1)).toEqual([250]);
});

test('a server with many machines has them come back over a longer time', () => {
  const backOff = new BackOff(pauses);
  backOff.returnWithin(20_000);
  backOff.opened();
  expect(longest(backOff, 3)).toEqual([20_000, 30_000, 30_000]);
  backOff.returnWithin(10 ** 9);
  backOff.opened();
  expect(longest(backOff, 1)).toEqual([longestRefusedMilliseconds]);
});

test('who is asked to come back later never comes sooner, spreads more at every refusal, and stays away sixteen minutes at most', () => {
  const backOff = new BackOff(pauses);
  const refusedAgain = (random: number) => {
    backOff.refused(60);
    return Math.round(backOff.next(random)) / 1000;
  };
  expect([most, most, most, most, most].map(refusedAgain)).toEqual([120, 180, 300, 540, 960]);
  expect(refusedAgain(least)).toBe(60);
  backOff.refused(10 ** 6);
  expect(backOff.next(most)).toBe(longestRefusedMilliseconds);
  backOff.unreachable();
  expect(backOff.isRefused).toBe(false);
  expect(backOff.next(most)).toBeLessThanOrEqual(30_000);
});
