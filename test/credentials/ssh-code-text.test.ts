import { expect, test } from 'vitest';
import { newSshCode, readSshCode, sshCodeHash } from '../../src/credentials/ssh-code-text.ts';

const characters = '7KQ3MXW9TP0123456789ABCDEFGH';

test('a code is 28 of 32 characters, 140 bits, in groups of four', () => {
  for (let time = 0; time < 200; time += 1)
    expect(newSshCode()).toMatch(/^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){6}$/);
});

test('codes differ', () => {
  expect(new Set(Array.from({ length: 1_000 }, newSshCode)).size).toBe(1_000);
});

test.each([
  ['7KQ3-MXW9-TP01-2345-6789-ABCD-EFGH', characters],
  [' 7kq3 mxw9tp0123456789 abcdefgh\n', characters],
  ['7-KQ3MXW9TPO1-23456789ABCDEFGH', characters],
  ['7KQ3-MXW9-TP0I-2345-6789-ABCD-EFGH', characters],
  ['7KQ3-MXW9-TP0l-2345-6789-ABCD-EFGH', characters],
  ['7KQ3-MXW9-TP01-2345-6789-ABCD-EFG', undefined],
  ['7KQ3-MXW9-TP01-2345-6789-ABCD-EFGHJ', undefined],
  ['7KQ3-MXW9-TP01-2345-6789-ABCD-EFGU', undefined],
  ['7KQ3M-XW9TP', undefined],
  ['', undefined],
  ['７KQ3MXW9TP0123456789ABCDEFGH', undefined],
])('%j is read as %j', (typed, read) => {
  expect(readSshCode(typed)).toBe(read);
});

test('a digest is of one code, under one key', () => {
  const [key, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  const hashes = [
    sshCodeHash(key, characters),
    sshCodeHash(other, characters),
    sshCodeHash(key, characters.replace('H', 'J')),
  ];
  expect(new Set(hashes.map((hash) => hash.toString('hex'))).size).toBe(3);
});
