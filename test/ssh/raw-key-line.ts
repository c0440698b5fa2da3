import { WireWriter } from '../../src/ssh/wire.ts';

/** A line "type base64", whatever is in the blob. */
export function lineOf(type: string, blob: Uint8Array): string {
  return `${type} ${Buffer.from(blob).toString('base64')}`;
}

/** A positive number as an mpint holds it. */
export function positive(value: bigint): Buffer {
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex');
  return (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes;
}

/** An RSA key of these numbers, sound or not. */
export function rsaLine(exponent: bigint, modulus: bigint): string {
  const blob = new WireWriter()
    .string('ssh-rsa')
    .string(positive(exponent))
    .string(positive(modulus))
    .bytes();
  return lineOf('ssh-rsa', blob);
}
