import { describe, expect, test } from 'vitest';
import { parseStrictJson } from '../../src/http/strict-json.ts';

describe('strict JSON', () => {
  const megabytes = 16 * 1024 * 1024;

  test('a string may be as long as the body', () => {
    for (const text of ['x'.repeat(megabytes), '\\'.repeat(megabytes), '"\\'.repeat(megabytes / 2)]) {
      const bytes = Buffer.from(JSON.stringify({ text }));
      expect((parseStrictJson(bytes) as { text: string }).text === text).toBe(true);
    }
  });

  test('a string that ends in backslashes ends there', () => {
    const document = { a: '\\', 'b\\': ['\\\\', '"', '\\"'], c: '","c":"' };
    expect(parseStrictJson(Buffer.from(JSON.stringify(document)))).toEqual(document);
    expect(() => parseStrictJson(Buffer.from('{"a\\\\": 1, "a\\\\": 2}'))).toThrow('a name twice');
  });
});
