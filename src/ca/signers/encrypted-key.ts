/**
 * The encrypted form of a CA key file.
 *
 *   -----BEGIN SALLYPORT ENCRYPTED CA KEY-----
 *   base64 of:
 *     raw     "sallyport-ca-key" and a NUL
 *     u32     format version, 1
 *     string  "scrypt" (RFC 7914)
 *     u32     log2 of N      u32  r      u32  p
 *     string  salt, 32 random bytes
 *     string  "aes-256-gcm"
 *     string  nonce, 12 random bytes
 *     string  ciphertext of the key's PKCS#8 DER, with the 16-byte tag at its end
 *     raw     SHA-256 of every byte before it
 *   -----END SALLYPORT ENCRYPTED CA KEY-----
 *
 * Numbers and strings are those of RFC 4251 section 5. Everything before the ciphertext is its associated data, so no
 * parameter can be changed. The digest holds no secret and protects nothing: it tells damage from a wrong passphrase.
 *
 * Rules for changing it: a file of version 1 stays readable for ever. Other scrypt parameters within the bounds below
 * need no new version. Whatever else changes raises the version, and a reader refuses a version that it doesn't know.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  type KeyObject,
  randomBytes,
  type ScryptOptions,
  scrypt,
} from 'node:crypto';
import { promisify } from 'node:util';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { armor, unarmor } from '../../ssh/pem.ts';
import { WireReader, WireWriter } from '../../ssh/wire.ts';

export interface ScryptParameters {
  /** Base 2 logarithm of N. */
  readonly logN: number;
  readonly r: number;
  readonly p: number;
}

const label = 'SALLYPORT ENCRYPTED CA KEY';
const magic = Buffer.from('sallyport-ca-key\0');
const version = 1;
const kdfName = 'scrypt';
const cipherName = 'aes-256-gcm';
const lengths = { key: 32, salt: 32, nonce: 12, tag: 16, digest: 32 } as const;

/** 128 MiB and some tenths of a second for each guess at a passphrase. */
const ownParameters: ScryptParameters = { logN: 17, r: 8, p: 1 };
/** scrypt needs 128 * N * r bytes. A file that asks for more would exhaust this machine, not protect a key. */
const mostMemory = 256 * 1024 * 1024;
const mostPasses = 4;
/** An RSA key of 16,384 bits takes some 9 KB. */
const longestKey = 32 * 1024;

const deriveKey = promisify<Uint8Array, Uint8Array, number, ScryptOptions, Buffer>(scrypt);

/** Whether a file's content claims to be this form, whatever state it is in. */
export function isEncryptedKey(content: Buffer): boolean {
  return content.includes(`BEGIN ${label}`);
}

/**
 * The text of the file.
 * @param privateKeyDer PKCS#8; it and the passphrase stay the caller's, to be zeroed
 */
export async function encryptKey(
  privateKeyDer: Uint8Array,
  passphrase: Uint8Array,
  parameters: ScryptParameters = ownParameters,
): Promise<string> {
  const salt = randomBytes(lengths.salt);
  const nonce = randomBytes(lengths.nonce);
  const { logN, r, p } = parameters;
  const header = new WireWriter()
    .raw(magic)
    .u32(version)
    .string(kdfName)
    .u32(logN)
    .u32(r)
    .u32(p)
    .string(salt)
    .string(cipherName)
    .string(nonce)
    .bytes();
  const key = await deriveWith(parameters, passphrase, salt);
  try {
    const cipher = createCipheriv(cipherName, key, nonce).setAAD(header);
    const ciphertext = Buffer.concat([cipher.update(privateKeyDer), cipher.final(), cipher.getAuthTag()]);
    const covered = new WireWriter().raw(header).string(ciphertext).bytes();
    return armor(label, Buffer.concat([covered, digestOf(covered)]));
  } finally {
    key.fill(0);
  }
}

/**
 * The key in a file's content. What was derived and decrypted on the way is zeroed; the key itself is OpenSSL's.
 * @param passphrase stays the caller's, to be zeroed
 * @throws settings_invalid: damaged, unknown version, parameters out of bounds, or another passphrase
 */
export async function decryptKey(content: Buffer, passphrase: Uint8Array, path: string): Promise<KeyObject> {
  const { parameters, salt, nonce, header, ciphertext, tag } = readFile(content, path);
  const key = await deriveWith(parameters, passphrase, salt);
  let plaintext: Buffer | undefined;
  try {
    const decipher = createDecipheriv(cipherName, key, nonce, { authTagLength: lengths.tag });
    decipher.setAAD(header).setAuthTag(tag);
    plaintext = decipher.update(ciphertext);
    decipher.final();
    return createPrivateKey({ key: plaintext, format: 'der', type: 'pkcs8' });
  } catch {
    // The reason may hold something of the key, and is always one of these two.
    throw new SallyportError(
      'settings_invalid',
      `The passphrase does not open the CA key ${path}, or somebody has altered the file on purpose. ` +
        'Give the passphrase with which it was made.',
    );
  } finally {
    key.fill(0);
    plaintext?.fill(0);
  }
}

interface EncryptedKeyFile {
  readonly parameters: ScryptParameters;
  readonly salt: Buffer;
  readonly nonce: Buffer;
  /** The associated data. */
  readonly header: Buffer;
  readonly ciphertext: Buffer;
  readonly tag: Buffer;
}

function readFile(content: Buffer, path: string): EncryptedKeyFile {
  const damaged = (how: string) =>
    new SallyportError(
      'settings_invalid',
      `The CA key ${path} is damaged: ${how}. Restore it from a backup.`,
    );
  const bytes = unarmor(label, content.toString('latin1'));
  if (bytes === undefined) throw damaged('it is not one whole armored block');
  if (bytes.length > longestKey) throw damaged('it is longer than any key');
  const covered = bytes.subarray(0, -lengths.digest);
  if (!bytes.subarray(-lengths.digest).equals(digestOf(covered))) throw damaged('its digest is not right');

  const reader = new WireReader(covered, 'settings_invalid', `CA key ${path}`);
  if (!reader.raw(magic.length).equals(magic)) throw damaged('it does not begin like a CA key');
  const found = reader.u32();
  if (found !== version) {
    throw new SallyportError(
      'settings_invalid',
      `The CA key ${path} is of format version ${found}, and this program reads version ${version}. Use a newer program.`,
    );
  }
  if (reader.text() !== kdfName) throw damaged('it does not name scrypt');
  const parameters = { logN: reader.u32(), r: reader.u32(), p: reader.u32() };
  const salt = reader.string();
  if (reader.text() !== cipherName) throw damaged(`it does not name ${cipherName}`);
  const nonce = reader.string();
  const header = bytes.subarray(0, reader.offset);
  const sealed = reader.string();
  reader.done();
  if (salt.length !== lengths.salt || nonce.length !== lengths.nonce) {
    throw damaged('a field has a wrong length');
  }
  if (sealed.length <= lengths.tag) throw damaged('it holds no key');
  if (!areWithinBounds(parameters)) {
    throw damaged('it asks for more memory or time than a CA key needs');
  }
  return {
    parameters,
    salt,
    nonce,
    header,
    ciphertext: sealed.subarray(0, -lengths.tag),
    tag: sealed.subarray(-lengths.tag),
  };
}

function areWithinBounds({ logN, r, p }: ScryptParameters): boolean {
  const positive = logN >= 1 && logN <= 24 && r >= 1 && p >= 1;
  return positive && 128 * 2 ** logN * r <= mostMemory && p <= mostPasses;
}

async function deriveWith(
  { logN, r, p }: ScryptParameters,
  passphrase: Uint8Array,
  salt: Uint8Array,
): Promise<Buffer> {
  // OpenSSL counts a little more than the formula.
  return await deriveKey(passphrase, salt, lengths.key, { N: 2 ** logN, r, p, maxmem: 2 * mostMemory });
}

function digestOf(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
