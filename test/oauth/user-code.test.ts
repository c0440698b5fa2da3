import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { readUserCode, userCodeDigest } from '../../src/oauth/user-code.ts';

test.each(['BCDF-GHJK', 'bcdf-ghjk', ' bcdf ghjk ', 'BCDFGHJK', 'b-c-d-f-g-h-j-k'])(
  '"%s" is read as a code',
  (typed) => {
    expect(readUserCode(typed)).toBe('BCDFGHJK');
  },
);

test.each(['', 'BCDF-GHJ', 'BCDF-GHJKL', 'BCDF-GHJA', 'BCDF-GHJ1', 'BCDF_GHJK', 'BCDF-GHJẞ'])(
  '"%s" is none',
  (typed) => {
    expect(readUserCode(typed)).toBeUndefined();
  },
);

test('a digest is of the key, so a table of all codes does not undo it', () => {
  const key = randomBytes(32);
  expect(userCodeDigest(key, 'BCDFGHJK')).toBe(userCodeDigest(Buffer.from(key), 'BCDFGHJK'));
  expect(userCodeDigest(key, 'BCDFGHJK')).not.toBe(userCodeDigest(randomBytes(32), 'BCDFGHJK'));
});
