import { describe, expect, test } from 'vitest';
import { hintOf, isApiTokenText, newApiTokenText } from '../../src/credentials/api-token-text.ts';

describe('the text of an API token', () => {
  test('is the prefix, 43 characters for 256 bits and six of a checksum, letters and digits only', () => {
    expect(newApiTokenText()).toMatch(/^sallyport_[0-9A-Za-z]{49}$/);
    expect(newApiTokenText(Buffer.alloc(32))).toMatch(/^sallyport_0{43}/);
    expect(newApiTokenText(Buffer.alloc(32, 0xff))).toMatch(/^sallyport_[0-9A-Za-z]{49}$/);
  });

  test('differs for every token', () => {
    const made = new Set(Array.from({ length: 100 }, () => newApiTokenText()));
    expect(made.size).toBe(100);
  });

  test('is known by its checksum', () => {
    const text = newApiTokenText();
    expect(isApiTokenText(text)).toBe(true);
    for (const index of [10, 30, 52, 58]) {
      const other = text[index] === 'a' ? 'b' : 'a';
      expect(isApiTokenText(text.slice(0, index) + other + text.slice(index + 1))).toBe(false);
    }
  });

  test('is no token with a part missing, something added, or in another case', () => {
    const text = newApiTokenText();
    const changed = [
      text.slice(0, -1),
      text.slice(1),
      `${text}0`,
      ` ${text}`,
      `${text}\n`,
      text.toUpperCase(),
      '',
    ];
    expect(changed.filter(isApiTokenText)).toEqual([]);
  });

  test('shows four characters of the secret in lists', () => {
    expect(hintOf(newApiTokenText(Buffer.alloc(32)))).toBe('sallyport_0000');
  });
});
