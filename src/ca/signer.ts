/**
 * What holds a CA's private key. Two members, so that a hardware module or a cloud's key service fits behind them; a
 * signer never writes or shows its key, and whoever calls it checks what it returns.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { SallyportError } from '../errors/sallyport-error.ts';
import { createFileAtomically, readPrivateFile } from '../files/write-file.ts';
import { ed25519PublicKeyBlob } from '../ssh/public-key.ts';

export interface Signer {
  /** Blob of the ssh-ed25519 key. */
  readonly publicKey: Buffer;
  /** The raw 64-byte Ed25519 signature of the bytes. */
  sign(bytes: Uint8Array): Promise<Buffer>;
}

/**
 * Opens an Ed25519 key in a PKCS#8 PEM file (RFC 8410) that only its owner may read.
 * @throws settings_invalid, file_refused
 */
export async function openFileSigner(path: string): Promise<Signer> {
  const pem = await readPrivateFile(path);
  if (pem === undefined) {
    throw new SallyportError('settings_invalid', `There is no CA key at ${path}.`);
  }
  const privateKey = readKey(pem, path);
  const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' });
  return {
    publicKey: ed25519PublicKeyBlob(Buffer.from(x, 'base64url')),
    sign: async (bytes) => sign(null, bytes, privateKey),
  };
}

/**
 * Makes a new key in a file of mode 0600; a crash leaves no part of one.
 * @throws file_refused if there is one already: a CA key is never overwritten
 */
export async function createKeyFile(path: string): Promise<void> {
  const { privateKey } = generateKeyPairSync('ed25519');
  await createFileAtomically(path, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
}

function readKey(pem: Buffer, path: string): KeyObject {
  let key: KeyObject | undefined;
  try {
    key = createPrivateKey(pem);
  } catch {
    // The reason may quote the file.
  }
  if (key?.asymmetricKeyType === 'ed25519') return key;
  throw new SallyportError(
    'settings_invalid',
    `${path} does not hold an unencrypted Ed25519 key in PKCS#8 PEM form ("BEGIN PRIVATE KEY").`,
  );
}
