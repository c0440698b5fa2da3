import { expect, test } from 'vitest';
import { limitReached } from '../../src/gateway/connection-limits.ts';
import { type Traffic, traffic } from '../../src/gateway/traffic.ts';

const none = { maxConnectionSeconds: null, idleTimeoutSeconds: null };
const started = { startedAtSeconds: 1_000, activeAtSeconds: 1_000 };

test('a connection without limits lasts', () => {
  expect(limitReached(none, started, 1_000_000_000)).toBeUndefined();
});

test('a connection ends when it has lasted as long as it may, from its start and not from its offer', () => {
  const limits = { ...none, maxConnectionSeconds: 60 };
  expect(limitReached(limits, started, 1_059)).toBeUndefined();
  expect(limitReached(limits, started, 1_060)).toBe('too_long');
  expect(limitReached(limits, { ...started, startedAtSeconds: null }, 9_000)).toBeUndefined();
});

test('a connection ends when it was silent for as long as it may be', () => {
  const limits = { ...none, idleTimeoutSeconds: 60 };
  expect(limitReached(limits, { ...started, activeAtSeconds: 5_000 }, 5_059)).toBeUndefined();
  expect(limitReached(limits, { ...started, activeAtSeconds: 5_000 }, 5_060)).toBe('idle');
});

test('a connection whose traffic is unknown is never idle, and still too long', () => {
  const unknown = { ...started, activeAtSeconds: null };
  expect(limitReached({ ...none, idleTimeoutSeconds: 60 }, unknown, 9_000)).toBeUndefined();
  expect(limitReached({ maxConnectionSeconds: 60, idleTimeoutSeconds: 60 }, unknown, 9_000)).toBe('too_long');
});

/** Looks every second; each number is what has gone through meanwhile. */
function afterSeconds(bytesPerSecond: readonly number[]): Traffic {
  let bytes = 10_000;
  let found = traffic(undefined, bytes, 0);
  for (const [second, more] of bytesPerSecond.entries()) {
    bytes += more;
    found = traffic(found, bytes, second + 1);
  }
  return found;
}

test('the first look counts as activity', () => {
  expect(traffic(undefined, 10_000, 77).activeAtSeconds).toBe(77);
});

test('some hundred bytes a minute, as keep-alives are, are no activity however long they go on', () => {
  const keepAlive = Array.from({ length: 600 }, (_, second) => (second % 15 === 0 ? 120 : 0));
  expect(afterSeconds(keepAlive).activeAtSeconds).toBe(0);
});

test('a listing or a few typed words are activity, at once', () => {
  expect(afterSeconds([0, 0, 5_000, 0, 0]).activeAtSeconds).toBe(3);
  const typing = Array.from({ length: 30 }, () => 90);
  expect(afterSeconds(typing).activeAtSeconds).toBeGreaterThanOrEqual(28);
});

test('a process that ends takes its count along, which is activity', () => {
  expect(afterSeconds([0, -9_000, 0]).activeAtSeconds).toBe(2);
});
