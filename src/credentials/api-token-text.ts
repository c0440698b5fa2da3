/**
 * What an API token looks like: `sallyport_`, 256 random bits in base 62, and a checksum in six characters. The prefix
 * and the checksum let scanners of source code find a leaked one without asking anybody; letters and digits alone are
 * selected by a double click. What makes a token good is its row: it is looked up by the digest of its whole text.
 */
import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const prefix = 'sallyport_';
const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 62^43 > 2^256. */
const secretLength = 43;
/** 62^6 > 2^32. */
const checksumLength = 6;
const pattern = new RegExp(`^${prefix}[0-9A-Za-z]{${secretLength + checksumLength}}$`);
/** Of the secret; what is left of it can't be guessed. */
const hintedCharacters = 4;

export function newApiTokenText(random: Buffer = randomBytes(32)): string {
  const body = prefix + base62(BigInt(`0x${random.toString('hex')}`), secretLength);
  return body + checksum(body);
}

/** Whether it is one by its form: a part of one, or one with a wrong letter, is not. */
export function isApiTokenText(text: string): boolean {
  return pattern.test(text) && checksum(text.slice(0, -checksumLength)) === text.slice(-checksumLength);
}

/** The beginning, for lists: enough to tell tokens apart. */
export function hintOf(token: string): string {
  return token.slice(0, prefix.length + hintedCharacters);
}

function checksum(body: string): string {
  return base62(BigInt(crc32(body)), checksumLength);
}

function base62(value: bigint, length: number): string {
  let text = '';
  for (let rest = value; text.length < length; rest /= 62n) text = digits[Number(rest % 62n)] + text;
  return text;
}
