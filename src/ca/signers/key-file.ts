/** CA keys in files: encrypted with a passphrase (encrypted-key.ts), or PKCS#8 PEM that only file permissions protect. */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { createFileAtomically, readPrivateFile } from '../../files/write-file.ts';
import { decryptKey, encryptKey, isEncryptedKey } from './encrypted-key.ts';

export interface NewKeyFile {
  /** Encrypts the key. It stays the caller's, to be zeroed. */
  readonly passphrase?: Uint8Array | undefined;
}

/**
 * Makes a new Ed25519 key in a file of mode 0600; a crash leaves no part of one.
 * @throws file_refused if there is one already: a CA key is never overwritten
 */
export async function createKeyFile(path: string, { passphrase }: NewKeyFile = {}): Promise<void> {
  const { privateKey } = generateKeyPairSync('ed25519');
  await createFileAtomically(path, await contentOf(privateKey, passphrase), { mode: 0o600 });
}

async function contentOf(key: KeyObject, passphrase: Uint8Array | undefined): Promise<string | Buffer> {
  if (passphrase === undefined) return key.export({ format: 'pem', type: 'pkcs8' });
  if (passphrase.length === 0) {
    throw new SallyportError('settings_invalid', 'The passphrase of a CA key may not be empty.');
  }
  const der = key.export({ format: 'der', type: 'pkcs8' });
  try {
    return await encryptKey(der, passphrase);
  } finally {
    der.fill(0);
  }
}

/**
 * The private key in a file that only its owner may read. Nothing of it becomes a JavaScript string: it goes from
 * buffers, which are zeroed, into OpenSSL's memory.
 * @param passphrase is asked only if the file is encrypted; what it gives is zeroed
 * @throws settings_invalid: none there, no passphrase, not the right one, damaged; file_refused
 */
export async function readKeyFile(
  path: string,
  passphrase: () => Promise<Buffer | undefined>,
): Promise<KeyObject> {
  const content = await readPrivateFile(path);
  if (content === undefined) {
    throw new SallyportError(
      'settings_invalid',
      `There is no CA key at ${path}. Copy it there from a server that has it, or make the first ones with: sallyport keys create FOLDER`,
    );
  }
  if (!isEncryptedKey(content)) return readPlainKey(content, path);
  const given = await passphrase();
  if (given === undefined) {
    throw new SallyportError(
      'settings_invalid',
      `The CA key ${path} is encrypted and no passphrase is given. Name its file in ` +
        'SALLYPORT_KEYS_PASSPHRASE_FILE, or give the systemd credential sallyport-keys-passphrase.',
    );
  }
  try {
    return await decryptKey(content, given, path);
  } finally {
    given.fill(0);
  }
}

function readPlainKey(pem: Buffer, path: string): KeyObject {
  try {
    return createPrivateKey({ key: pem, format: 'pem' });
  } catch {
    // The reason may quote the file.
    throw new SallyportError(
      'settings_invalid',
      `${path} holds neither an encrypted CA key of Sallyport nor an unencrypted key in PKCS#8 PEM form ` +
        '("BEGIN PRIVATE KEY").',
    );
  } finally {
    pem.fill(0);
  }
}
