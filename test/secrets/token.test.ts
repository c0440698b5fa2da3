import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { newToken, tokenHash } from '../../src/secrets/token.ts';

test('a token is its prefix and 256 bits in base64url', () => {
  const token = newToken('enrol');
  expect(token).toMatch(/^enrol_[A-Za-z0-9_-]{43}$/);
  expect(Buffer.from(token.slice('enrol_'.length), 'base64url')).toHaveLength(32);
});

test('no two tokens are alike', () => {
  const tokens = new Set(Array.from({ length: 1000 }, () => newToken('t')));
  expect(tokens.size).toBe(1000);
});

test('what is stored is the SHA-256 of the whole token', () => {
  const token = newToken('enrol');
  expect(tokenHash(token)).toEqual(createHash('sha256').update(token).digest());
  expect(tokenHash(token)).not.toEqual(tokenHash(token.slice('enrol_'.length)));
});
