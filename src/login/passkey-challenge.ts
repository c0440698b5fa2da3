import { randomBytes } from 'node:crypto';

/** What a passkey is asked to sign: 256 random bits, base64url (WebAuthn level 3 section 13.4.3). */
export function newChallenge(): string {
  return randomBytes(32).toString('base64url');
}
