/**
 * The data types of the SSH protocol (RFC 4251 section 5). The reader is strict: a length that runs past the end, bad
 * UTF-8, a NUL inside a text and bytes left over are all errors, with the code and the noun its owner chose.
 */
import type { ErrorCode } from '../errors/codes.ts';
import { SallyportError } from '../errors/sallyport-error.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class WireReader {
  readonly #bytes: Buffer;
  readonly #code: ErrorCode;
  readonly #noun: string;
  #offset = 0;

  /** Takes a copy, so that what was checked cannot change afterwards. `noun` is what messages call the bytes. */
  constructor(bytes: Uint8Array, code: ErrorCode, noun: string) {
    this.#bytes = Buffer.from(bytes);
    this.#code = code;
    this.#noun = noun;
  }

  /** How many bytes were read so far. */
  get offset(): number {
    return this.#offset;
  }

  get hasMore(): boolean {
    return this.#offset < this.#bytes.length;
  }

  u8(): number {
    return this.raw(1).readUInt8();
  }

  u32(): number {
    return this.raw(4).readUInt32BE();
  }

  u64(): bigint {
    return this.raw(8).readBigUInt64BE();
  }

  /** A length and that many bytes. */
  string(): Buffer {
    return this.raw(this.u32());
  }

  /** A string that holds UTF-8 without NUL, as sshbuf_get_cstring() wants it. */
  text(): string {
    const bytes = this.string();
    if (bytes.includes(0)) throw this.error('holds a NUL byte inside a text');
    try {
      return utf8.decode(bytes);
    } catch {
      throw this.error('holds a text that is not UTF-8');
    }
  }

  /** A positive integer in its only valid form: no sign bit, no needless leading zero. */
  mpint(): bigint {
    const bytes = this.string();
    const [first = 0, second = 0] = bytes;
    if (bytes.length === 0 || first >= 0x80 || (first === 0 && second < 0x80)) {
      throw this.error('holds a number that is not a positive integer in its shortest form');
    }
    return BigInt(`0x${bytes.toString('hex')}`);
  }

  raw(length: number): Buffer {
    const end = this.#offset + length;
    if (end > this.#bytes.length) throw this.error('ends too early');
    const part = this.#bytes.subarray(this.#offset, end);
    this.#offset = end;
    return part;
  }

  /** Every byte must have been read. */
  done(): void {
    if (this.hasMore) throw this.error('has bytes after its end');
  }

  /** An error of this reader's kind, for its owner to throw: "The <noun> <problem>." */
  error(problem: string): SallyportError {
    return new SallyportError(this.#code, `The ${this.#noun} ${problem}.`, {
      detail: `byte ${this.#offset} of ${this.#bytes.length}`,
    });
  }
}

export class WireWriter {
  readonly #parts: Uint8Array[] = [];

  u8(value: number): this {
    const bytes = Buffer.alloc(1);
    bytes.writeUInt8(value);
    return this.raw(bytes);
  }

  u32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return this.raw(bytes);
  }

  u64(value: bigint): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(value);
    return this.raw(bytes);
  }

  /** A length and the bytes; text is written as UTF-8. */
  string(value: Uint8Array | string): this {
    const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
    return this.u32(bytes.length).raw(bytes);
  }

  raw(bytes: Uint8Array): this {
    this.#parts.push(bytes);
    return this;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}
