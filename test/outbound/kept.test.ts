import { beforeEach, expect, test } from 'vitest';
import { type Kept, keep } from '../../src/outbound/kept.ts';

let seconds = 0;
let loads = 0;
let away = false;
let kept: Kept<number>;
beforeEach(() => {
  seconds = 0;
  loads = 0;
  away = false;
  kept = keep({
    load: async () => {
      loads += 1;
      if (away) throw new Error('away');
      return loads;
    },
    freshSeconds: 100,
    goodSeconds: 1000,
    clock: () => new Date(seconds * 1000),
  });
});
/** Until what is under way in the background is done. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test('is read once for all who want it at the same moment', async () => {
  expect(await Promise.all([kept.get(), kept.get(), kept.reload(), kept.renewed()])).toEqual([1, 1, 1, 1]);
});

test('is renewed in the background once it is no longer fresh', async () => {
  await kept.get();
  seconds = 100;
  expect(await kept.get()).toBe(1);
  await settled();
  expect(await kept.get()).toBe(2);
  expect(loads).toBe(2);
});

test('outlives an absence, is asked for every half minute, and is gone when it is no longer good', async () => {
  await kept.get();
  away = true;
  seconds = 100;
  for (let turn = 0; turn < 5; turn += 1) {
    expect(await kept.get()).toBe(1);
    await settled();
  }
  expect(loads).toBe(2);
  seconds = 130;
  await kept.get();
  await settled();
  expect(loads).toBe(3);
  seconds = 1000;
  await expect(kept.get()).rejects.toThrow('away');
  away = false;
  expect(await kept.get()).toBe(5);
});

test('is renewed on demand at most every half minute, and stays if that fails', async () => {
  await kept.get();
  expect(await kept.renewed()).toBe(2);
  expect(await kept.renewed()).toBe(2);
  seconds = 30;
  away = true;
  expect(await kept.renewed()).toBe(2);
  expect(loads).toBe(3);
  await expect(kept.reload()).rejects.toThrow('away');
});

test('is asked for again after a first failure', async () => {
  away = true;
  await expect(kept.get()).rejects.toThrow('away');
  away = false;
  expect(await kept.get()).toBe(2);
});

test('is looked at anew at every check, up to a flood, which is told what came of the last one', async () => {
  for (let turn = 1; turn <= 30; turn += 1) expect(await kept.checked()).toBe(turn);
  for (let turn = 0; turn < 100; turn += 1) expect(await kept.checked()).toBe(30);
  expect(loads).toBe(30);
  seconds = 2;
  away = true;
  await expect(kept.checked()).rejects.toThrow('away');
  for (let turn = 0; turn < 100; turn += 1) await expect(kept.checked()).rejects.toThrow('away');
  expect(loads).toBe(31);
  away = false;
  seconds = 4;
  expect(await kept.checked()).toBe(32);
  expect(await kept.checked()).toBe(32);
});

test('is read once for a hundred checks at the same moment', async () => {
  await Promise.all(Array.from({ length: 100 }, () => kept.checked()));
  expect(loads).toBe(1);
});
