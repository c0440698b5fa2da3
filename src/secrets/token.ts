/** Bearer secrets that we hand out: enrolment tokens, companion credentials, cookies, nonces. */
import { createHash, randomBytes } from 'node:crypto';

/** `<prefix>_` and 256 random bits, base64url. The prefix tells people and secret scanners what they found. */
export function newToken(prefix: string): string {
  return `${prefix}_${randomBytes(32).toString('base64url')}`;
}

/**
 * SHA-256 of the whole token, prefix included: what is stored, and what a presented token is looked up by. A plain
 * digest is enough for 256 random bits, and a look-up by digest leaks nothing through its time.
 */
export function tokenHash(token: string): Buffer {
  return createHash('sha256').update(token, 'utf8').digest();
}
