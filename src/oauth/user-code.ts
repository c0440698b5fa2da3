/** The code that a person carries from a terminal to a browser (RFC 8628 section 6.1). */
import { createHmac } from 'node:crypto';

/** oidc-provider's `base-20`: no vowels, so no words; nothing that reads like a digit. 20^8 codes: 34.5 bits. */
export const userCodeCharset = 'base-20';
export const userCodeMask = '****-****';

/** Undefined: it can't be one. People may type it without the hyphen, with spaces, in small letters. */
export function readUserCode(typed: string): string | undefined {
  const code = typed.toUpperCase().replace(/[\s-]/g, '');
  return /^[BCDFGHJKLMNPQRSTVWXZ]{8}$/.test(code) ? code : undefined;
}

/** What is stored and looked up: keyed, since all codes could be tried against a plain digest. */
export function userCodeDigest(key: Buffer, code: string): string {
  return createHmac('sha256', key).update(code).digest('base64url');
}
