import { expect, test } from 'vitest';
import { matchesPattern } from '../../src/credentials/claim-pattern.ts';

test.each([
  ['acme/web', 'acme/web', true],
  ['acme/web', 'acme/web2', false],
  ['acme/web', 'Acme/web', false],
  ['acme/*', 'acme/web', true],
  ['acme/*', 'acme/web/api', false],
  ['acme/*', 'acme-evil/web', false],
  ['acme/**', 'acme/web/api', true],
  ['acme/**', 'acme', false],
  ['refs/heads/release-*', 'refs/heads/release-1', true],
  ['refs/heads/release-*', 'refs/heads/release-1/evil', false],
  ['repo:acme/*:ref:refs/heads/main', 'repo:acme/web:ref:refs/heads/main', true],
  // What a job names itself must not take the place of what its owner is.
  ['repo:acme/*:ref:refs/heads/main', 'repo:acme/web:environment:x:ref:refs/heads/main', false],
  ['*', '', true],
  ['*', 'a', true],
  ['*', 'a/b', false],
  ['**', 'a/b:c', true],
  ['a*c', 'ac', true],
  ['a.c', 'abc', false],
  ['a+', 'aa', false],
  ['(a|b)', 'a', false],
  ['', '', true],
  ['', 'a', false],
  ['a***b', 'a/x/b', true],
])('%s and %s: %s', (pattern, value, expected) => {
  expect(matchesPattern(pattern, value)).toBe(expected);
});

test('many wildcards against a long value take no time to speak of', () => {
  expect(matchesPattern(`${'*a'.repeat(100)}b`, 'a'.repeat(2_000))).toBe(false);
});

test('a value beyond all reason matches nothing', () => {
  expect(matchesPattern('**', 'a'.repeat(5_000))).toBe(false);
});
