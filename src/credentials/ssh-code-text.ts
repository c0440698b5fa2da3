/**
 * What a one-time code looks like: 28 characters in groups of four, of Crockford's 32, which hold no I, L, O and U.
 * That is 140 bits, since whoever has a code needs to name nobody: the code itself says whose it is and where to. Made
 * to be pasted; whoever types it may take an O for a zero and an I or an L for a one.
 */
import { createHmac, randomInt } from 'node:crypto';

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const groups = 7;
const groupLength = 4;
const pattern = new RegExp(`^[${alphabet}]{${groups * groupLength}}$`);

export function newSshCode(): string {
  return Array.from({ length: groups }, newGroup).join('-');
}

function newGroup(): string {
  return Array.from({ length: groupLength }, () => alphabet[randomInt(alphabet.length)]).join('');
}

/** The characters of what somebody typed, whatever the case, spaces and hyphens; undefined if it is no code. */
export function readSshCode(typed: string): string | undefined {
  const characters = typed.replace(/[\s-]/g, '').toUpperCase().replace(/O/g, '0').replace(/[IL]/g, '1');
  return pattern.test(characters) ? characters : undefined;
}

/**
 * What is stored and looked up. Keyed, so that a copy of the database does not even tell which of two codes is which.
 * @param key from the sealer, of no other use
 */
export function sshCodeHash(key: Buffer, characters: string): Buffer {
  return createHmac('sha256', key).update(characters, 'utf8').digest();
}

/** What the key is derived for. */
export const sshCodeKeyPurpose = 'ssh-codes';
