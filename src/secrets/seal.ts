/**
 * Encryption at rest of what must be read again: client secrets, refresh tokens of identity providers. AES-256-GCM
 * (NIST SP 800-38D) under a key that is kept outside the database. `context` names the place: what is sealed for one row
 * can't be opened as another's. The stored form: version, key id, nonce, tag, ciphertext.
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { SallyportError } from '../errors/sallyport-error.ts';

export interface Sealer {
  /** @param context such as `upstream_grants.refresh_token/<session id>` */
  seal(plain: string, context: string): Buffer;
  /** @throws internal if it was sealed elsewhere, with another key, or changed since */
  open(sealed: Buffer, context: string): string;
  /** A key for another purpose, from the first key: 32 bytes, the same on every server process. */
  derive(purpose: string): Buffer;
}

const version = 1;
const keyIdLength = 8;
const nonceLength = 12;
const tagLength = 16;
const headerLength = 1 + keyIdLength;

/** @param keys 32 bytes each; the first seals, all of them open */
export function createSealer(keys: readonly Buffer[]): Sealer {
  const [first] = keys;
  if (first === undefined || keys.some(({ length }) => length !== 32)) {
    throw new TypeError('a sealer needs keys of 32 bytes');
  }
  const byId = new Map(keys.map((key) => [keyId(key).toString('hex'), key]));
  return {
    seal(plain, context) {
      const nonce = randomBytes(nonceLength);
      const header = Buffer.concat([Buffer.from([version]), keyId(first)]);
      const cipher = createCipheriv('aes-256-gcm', first, nonce);
      cipher.setAAD(associated(header, context));
      const text = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
      return Buffer.concat([header, nonce, cipher.getAuthTag(), text]);
    },
    open(sealed, context) {
      const key = byId.get(sealed.subarray(1, headerLength).toString('hex'));
      if (
        sealed[0] !== version ||
        key === undefined ||
        sealed.length < headerLength + nonceLength + tagLength
      ) {
        throw unopened('it is of another version or key');
      }
      const header = sealed.subarray(0, headerLength);
      const nonce = sealed.subarray(headerLength, headerLength + nonceLength);
      const tag = sealed.subarray(headerLength + nonceLength, headerLength + nonceLength + tagLength);
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagLength });
      decipher.setAAD(associated(header, context));
      decipher.setAuthTag(tag);
      try {
        const text = sealed.subarray(headerLength + nonceLength + tagLength);
        return Buffer.concat([decipher.update(text), decipher.final()]).toString('utf8');
      } catch {
        throw unopened('it was changed, or sealed for another place');
      }
    },
    derive: (purpose) => Buffer.from(hkdfSync('sha256', first, '', `sallyport ${purpose}`, 32)),
  };
}

export function newSealingKey(): Buffer {
  return randomBytes(32);
}

function keyId(key: Buffer): Buffer {
  return createHash('sha256').update('sallyport sealing key').update(key).digest().subarray(0, keyIdLength);
}

function associated(header: Buffer, context: string): Buffer {
  return Buffer.concat([header, Buffer.from(context, 'utf8')]);
}

function unopened(why: string): SallyportError {
  return new SallyportError(
    'internal',
    'A stored secret can not be read: the keys folder is not the one it was stored with. Tell the operator of this server.',
    { detail: why },
  );
}
