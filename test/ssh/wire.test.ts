import { describe, expect, test } from 'vitest';
import { WireReader, WireWriter } from '../../src/ssh/wire.ts';
import { codeOf } from './refusal.ts';

function readerOf(bytes: Uint8Array): WireReader {
  return new WireReader(bytes, 'certificate_malformed', 'sample');
}

describe('the wire format', () => {
  test('reads what it wrote', () => {
    const bytes = new WireWriter()
      .u8(255)
      .u32(2 ** 32 - 1)
      .u64(2n ** 64n - 1n)
      .string('grüß')
      .raw(Buffer.from([1, 2]))
      .bytes();
    const reader = readerOf(bytes);
    expect([reader.u8(), reader.u32(), reader.u64(), reader.text(), [...reader.raw(2)]]).toEqual([
      255,
      2 ** 32 - 1,
      2n ** 64n - 1n,
      'grüß',
      [1, 2],
    ]);
    reader.done();
  });

  test.each([
    ['a length beyond the end', () => readerOf(Buffer.from('ffffffff00', 'hex')).string()],
    ['a cut number', () => readerOf(Buffer.alloc(7)).u64()],
    ['bytes left over', () => readerOf(Buffer.alloc(1)).done()],
    ['a NUL inside a text', () => readerOf(new WireWriter().string('a\0b').bytes()).text()],
    ['a text that is not UTF-8', () => readerOf(new WireWriter().string(Buffer.from([0xc3])).bytes()).text()],
    ['a negative number', () => readerOf(new WireWriter().string(Buffer.from([0x80])).bytes()).mpint()],
    ['a needless zero', () => readerOf(new WireWriter().string(Buffer.from([0, 0x7f])).bytes()).mpint()],
    ['an empty number', () => readerOf(new WireWriter().string('').bytes()).mpint()],
  ])('%s is refused with the owner’s code', (_, attempt) => {
    expect(codeOf(attempt)).toBe('certificate_malformed');
  });

  test('what was read does not change with the bytes it was read from', () => {
    const bytes = new WireWriter().string('good').bytes();
    const reader = readerOf(bytes);
    bytes.write('evil', 4);
    expect(reader.text()).toBe('good');
  });
});
