import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { allowAttempt, countAttempt } from '../../src/limits/count-attempt.ts';
import { sweepLimits } from '../../src/limits/sweep-limits.ts';
import { useOnce } from '../../src/limits/use-once.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';

const now = new Date('2026-06-01T12:00:10Z');
const seconds = (count: number) => new Date(now.getTime() + count * 1000);

let database: FreshDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

describe('attempts', () => {
  const limit = { bucket: 'test', allowed: 3, windowSeconds: 60 };

  test('beyond those allowed in a window are refused, with the seconds until the next', async () => {
    for (let at = 0; at < 3; at++) await allowAttempt(database.db, limit, 'a', now);
    await expect(allowAttempt(database.db, limit, 'a', now)).rejects.toMatchObject({
      code: 'too_many_attempts',
      members: { retry_after: 50 },
    });
    await allowAttempt(database.db, limit, 'a', seconds(50));
  });

  test('of others, and of other kinds, are counted apart', async () => {
    await allowAttempt(database.db, { ...limit, allowed: 1 }, 'b', now);
    await allowAttempt(database.db, { ...limit, allowed: 1 }, 'c', now);
    await allowAttempt(database.db, { ...limit, allowed: 1, bucket: 'other' }, 'b', now);
  });

  test('at the same moment are all counted', async () => {
    const counted = await Promise.all(
      Array.from({ length: 20 }, () => countAttempt(database.db, limit, 'd', now)),
    );
    expect(counted.map(({ count }) => count).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
  });
});

test('an identifier is good once in its scope', async () => {
  const use = (scope: string) => useOnce(database.db, { scope, identifier: 'jti' }, seconds(60));
  expect(await use('one')).toBe(true);
  expect(await use('one')).toBe(false);
  expect(await use('two')).toBe(true);
});

test('what is over is swept, and nothing else', async () => {
  await sweepLimits(database.db, seconds(-3600));
  expect(await useOnce(database.db, { scope: 'one', identifier: 'jti' }, seconds(60))).toBe(false);
  await sweepLimits(database.db, seconds(3600));
  expect(await useOnce(database.db, { scope: 'one', identifier: 'jti' }, seconds(60))).toBe(true);
});
