import { beforeEach, describe, expect, test } from 'vitest';
import { TrustedAge, type TrustedAgeOptions } from '../../src/gateway/trusted-age.ts';

let now: number;
let monotonic: number;
beforeEach(() => {
  now = 1_800_000_000;
  monotonic = 50;
});

function age(changes: Partial<TrustedAgeOptions> = {}): TrustedAge {
  return new TrustedAge({
    rule: { maximumSeconds: 60, whenStale: 'deny' },
    refuseByClock: false,
    nowSeconds: () => now,
    monotonicSeconds: () => monotonic,
    ...changes,
  });
}

function pass(seconds: number): void {
  now += seconds;
  monotonic += seconds;
}

describe('a state', () => {
  test('is stale after the longest silence, and not before', () => {
    const heard = age();
    heard.noteHeard();
    pass(60);
    expect([heard.isStale(), heard.whyNobody()]).toEqual([false, undefined]);
    pass(1);
    expect([heard.isStale(), heard.whyNobody()?.code]).toEqual([true, 'machine_stale']);
    heard.noteHeard();
    expect(heard.isStale()).toBe(false);
  });

  test('is heard for the time in which there are signs of it, and not for a silence between them', () => {
    const heard = age();
    pass(5);
    heard.noteHeard();
    expect(heard.heardForSeconds).toBe(0);
    pass(15);
    heard.noteHeard();
    expect(heard.heardForSeconds).toBe(15);
    pass(3_600);
    expect(heard.heardForSeconds).toBe(15);
    heard.noteHeard();
    expect(heard.heardForSeconds).toBe(35);
  });

  test('from disk is as old as it says', () => {
    const saved = age();
    saved.noteSaved(now - 61);
    expect(saved.isStale()).toBe(true);
  });

  test('that never came is stale', () => {
    expect(age().isStale()).toBe(true);
  });

  test('grows old while somebody sets the clock back, and while the machine sleeps', () => {
    const setBack = age();
    setBack.noteHeard();
    now -= 3_600;
    monotonic += 61;
    expect(setBack.isStale()).toBe(true);
    const slept = age();
    slept.noteHeard();
    now += 61;
    expect(slept.isStale()).toBe(true);
  });

  test('lasts for ever where that was chosen', () => {
    const lasting = age({ rule: { maximumSeconds: null, whenStale: 'deny' } });
    pass(1e9);
    expect(lasting.isStale()).toBe(false);
  });

  test('that is stale keeps nobody out where it is to count on', () => {
    expect(age({ rule: { maximumSeconds: 60, whenStale: 'keep' } }).whyNobody()).toBeUndefined();
    expect(age({ rule: { maximumSeconds: 60, whenStale: 'strict' } }).whyNobody()?.code).toBe(
      'machine_stale',
    );
  });
});

describe('the clock', () => {
  const lasting = { rule: { maximumSeconds: null, whenStale: 'deny' as const } };

  test.each([
    [300, false],
    [301, true],
    [-300, false],
    [-301, true],
  ])('%i seconds ahead of the CA is wrong: %s', (skew, isWrong) => {
    const compared = age({ ...lasting, refuseByClock: true });
    compared.noteTheirClock(now - skew);
    expect([compared.skewSeconds(), compared.isClockWrong()]).toEqual([skew, isWrong]);
    expect(compared.whyNobody()?.code).toBe(isWrong ? 'machine_clock' : undefined);
  });

  test('that somebody sets is noticed without the CA', () => {
    const compared = age(lasting);
    compared.noteTheirClock(now);
    pass(1_000);
    expect(compared.skewSeconds()).toBe(0);
    now += 600;
    expect(compared.skewSeconds()).toBe(600);
  });

  test('that stands before the saved state was made is wrong', () => {
    const saved = age(lasting);
    saved.noteSaved(now + 900);
    expect(saved.skewSeconds()).toBe(-900);
  });

  test('refuses nobody where that was not chosen', () => {
    const compared = age(lasting);
    compared.noteTheirClock(now - 10_000);
    expect([compared.isClockWrong(), compared.whyNobody()]).toEqual([true, undefined]);
  });
});
