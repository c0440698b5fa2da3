/** The people of the demo. Their secrets are random per data folder: a fixed password would let every local user in. */
import { randomBytes } from 'node:crypto';
import { Secret } from 'otpauth';

export interface DemoPerson {
  /** Also the identity provider's `sub`. */
  readonly username: string;
  readonly name: string;
  readonly email: string;
  readonly groups: readonly string[];
  readonly password: string;
  /** Seed of the person's one-time codes in base32; null for a person without a second factor. */
  readonly otpSecret: string | null;
}

/** alice may do everything, bob works on the product, carol too but without a second factor. */
export function createDemoPeople(): DemoPerson[] {
  return [
    person('alice', 'Alice Admin', ['admins'], newSeed()),
    person('bob', 'Bob Builder', ['contributors'], newSeed()),
    person('carol', 'Carol Coder', ['contributors'], null),
  ];
}

function person(username: string, name: string, groups: string[], otpSecret: string | null): DemoPerson {
  return { username, name, email: `${username}@acme.test`, groups, password: newPassword(), otpSecret };
}

/** 160 bits, as RFC 4226 section 4 recommends. */
function newSeed(): string {
  return new Secret({ size: 20 }).base32;
}

/** 32 characters without look-alikes, so a random byte's low five bits choose one evenly. */
const alphabet = 'abcdefghijkmnpqrstuvwxyz23456789';

/** 80 random bits in groups of four, to be typed by hand. */
function newPassword(): string {
  const characters = [...randomBytes(16)].map((byte) => alphabet[byte & 31]).join('');
  return (characters.match(/.{4}/g) ?? []).join('-');
}
