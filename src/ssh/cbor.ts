/**
 * CBOR (RFC 8949), as much of it as authenticators write (CTAP 2.1 section 8): integers, byte and text strings, arrays, maps
 * and the simple values, each in its shortest form and of a length that is told. Anything else is refused.
 */
import type { WireReader } from './wire.ts';

export type CborValue =
  | number
  | boolean
  | null
  | string
  | Buffer
  | readonly CborValue[]
  | ReadonlyMap<number | string, CborValue>;

/** CTAP 2.1 section 8 allows four levels. */
const deepest = 4;
const longestList = 64;

/** Reads one value; what follows it is left to the reader. @throws the reader's error */
export function readCbor(reader: WireReader, depth = 0): CborValue {
  const first = reader.u8();
  const [major, short] = [first >> 5, first & 0x1f];
  if (major === 7) return simpleValue(reader, short);
  const argument = readArgument(reader, short);
  if (major === 0) return argument;
  if (major === 1) return -1 - argument;
  if (major === 2) return Buffer.from(reader.raw(argument));
  if (major === 3) return textOf(reader, argument);
  if (major === 6 || depth === deepest || argument > longestList) {
    throw reader.error('holds CBOR that no authenticator writes');
  }
  if (major === 4) return Array.from({ length: argument }, () => readCbor(reader, depth + 1));
  return readMap(reader, argument, depth + 1);
}

function readMap(reader: WireReader, length: number, depth: number): ReadonlyMap<number | string, CborValue> {
  const map = new Map<number | string, CborValue>();
  for (let at = 0; at < length; at += 1) {
    const key = readCbor(reader, depth);
    if ((typeof key !== 'number' && typeof key !== 'string') || map.has(key)) {
      throw reader.error('holds a CBOR map with a key that is no name, or there twice');
    }
    map.set(key, readCbor(reader, depth));
  }
  return map;
}

/** A number or a length, in the shortest of its forms. */
function readArgument(reader: WireReader, short: number): number {
  if (short < 24) return short;
  const form = forms.get(short);
  const bytes = form && reader.raw(form.bytes);
  const value = bytes?.readUIntBE(0, bytes.length) ?? -1;
  if (!form || value < form.least) throw reader.error('holds a CBOR number that is not in its shortest form');
  return value;
}

/** Numbers of eight bytes are none of ours. */
const forms: ReadonlyMap<number, { readonly bytes: number; readonly least: number }> = new Map([
  [24, { bytes: 1, least: 24 }],
  [25, { bytes: 2, least: 0x100 }],
  [26, { bytes: 4, least: 0x1_0000 }],
]);

function simpleValue(reader: WireReader, short: number): boolean | null {
  if (short === 20 || short === 21) return short === 21;
  if (short === 22) return null;
  throw reader.error('holds a CBOR value that no authenticator writes');
}

function textOf(reader: WireReader, length: number): string {
  const bytes = reader.raw(length);
  const text = bytes.toString('utf8');
  if (!Buffer.from(text, 'utf8').equals(bytes)) throw reader.error('holds a text that is not UTF-8');
  return text;
}
