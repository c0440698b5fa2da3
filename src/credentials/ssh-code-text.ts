/**
 * What a one-time code looks like: ten characters in two groups, such as 7KQ3M-XW9TP, of thirty that nobody mistakes for
 * one another on paper or aloud: no I, L, O, U, 0, 1. That is 49 bits, for five minutes, at a few tries.
 */
import { createHmac, randomInt } from 'node:crypto';

const alphabet = '23456789ABCDEFGHJKMNPQRSTVWXYZ';
const length = 10;
const pattern = new RegExp(`^[${alphabet}]{${length}}$`);

export function newSshCode(): string {
  const characters = Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('');
  return `${characters.slice(0, length / 2)}-${characters.slice(length / 2)}`;
}

/** The ten characters of what somebody typed, whatever the case, spaces and hyphens; undefined if it is no code. */
export function readSshCode(typed: string): string | undefined {
  const characters = typed.replace(/[\s-]/g, '').toUpperCase();
  return pattern.test(characters) ? characters : undefined;
}

/**
 * What is stored and looked up. Keyed, since 49 bits could be tried out by whoever has a copy of the database; the
 * account goes in, so that a code is good for nobody else.
 * @param key from the sealer, of no other use
 */
export function sshCodeHash(key: Buffer, account: string, characters: string): Buffer {
  return createHmac('sha256', key).update(`${account}\n${characters}`, 'utf8').digest();
}

/** What the key is derived for. */
export const sshCodeKeyPurpose = 'ssh-codes';
