import { expect, test } from 'vitest';
import { newSshCode, readSshCode, sshCodeHash } from '../../src/credentials/ssh-code-text.ts';

test('a code is ten characters in two groups that nobody mistakes for one another', () => {
  for (let time = 0; time < 200; time += 1)
    expect(newSshCode()).toMatch(/^[2-9A-HJKMNP-TV-Z]{5}-[2-9A-HJKMNP-TV-Z]{5}$/);
});

test('codes differ', () => {
  expect(new Set(Array.from({ length: 1_000 }, newSshCode)).size).toBe(1_000);
});

test.each([
  ['7KQ3M-XW9TP', '7KQ3MXW9TP'],
  [' 7kq3m xw9tp\n', '7KQ3MXW9TP'],
  ['7-k-q-3-m-x-w-9-t-p', '7KQ3MXW9TP'],
  ['7KQ3M-XW9T', undefined],
  ['7KQ3M-XW9TPP', undefined],
  ['7KQ3M-XW9T0', undefined],
  ['7KQ3M-XW9TI', undefined],
  ['', undefined],
  ['７KQ3MXW9TP', undefined],
])('%j is read as %j', (typed, read) => {
  expect(readSshCode(typed)).toBe(read);
});

test('a digest is for one account, under one key', () => {
  const [key, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  const hashes = [
    sshCodeHash(key, 'alice@example.com', '7KQ3MXW9TP'),
    sshCodeHash(key, 'bob@example.com', '7KQ3MXW9TP'),
    sshCodeHash(other, 'alice@example.com', '7KQ3MXW9TP'),
    sshCodeHash(key, 'alice@example.com', '7KQ3MXW9TQ'),
  ];
  expect(new Set(hashes.map((hash) => hash.toString('hex'))).size).toBe(4);
});
