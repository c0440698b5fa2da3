/** `file:NAME`: a key file in the keys folder. */
import { createPublicKey } from 'node:crypto';
import { basename, join } from 'node:path';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { publicKeyBlobOf } from '../../ssh/public-key.ts';
import { signatureAlgorithmOf, signWithKey } from '../../ssh/signature.ts';
import type { OpenSigner } from '../signer.ts';
import { readKeyFile } from './key-file.ts';
import type { SignerSurroundings } from './surroundings.ts';

/**
 * Opens a key of any accepted type.
 * @param name a file's name in the keys folder: without a slash, so that what the database says never leads elsewhere
 * @throws settings_invalid, file_refused, and what publicKeyBlobOf() has against the key
 */
export async function openFileSigner(
  name: string,
  { keysFolder, passphrase }: SignerSurroundings,
): Promise<OpenSigner> {
  if (!/^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(name) || name !== basename(name)) {
    throw new SallyportError(
      'settings_invalid',
      'A file: signer names a file in the keys folder, such as file:user_ca.pem, without any folder.',
    );
  }
  const privateKey = await readKeyFile(join(keysFolder, name), passphrase);
  const publicKey = publicKeyBlobOf(createPublicKey(privateKey));
  const algorithm = signatureAlgorithmOf(publicKey);
  return {
    publicKey,
    algorithm,
    sign: async (bytes) => signWithKey(privateKey, bytes, algorithm),
    close: async () => {},
  };
}
