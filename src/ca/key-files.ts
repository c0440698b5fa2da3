/**
 * CA keys in files of the keys folder: what each generation's file is called, and how it is made. A key that is held
 * elsewhere is named by another URI, and no file is made for it.
 */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { ensurePrivateFolder } from '../files/write-file.ts';
import type { Purpose } from './issuing.ts';
import type { SignerOpener } from './register-ca-key.ts';
import { createKeyFile } from './signers/key-file.ts';
import { openSigner } from './signers/open-signer.ts';
import { signerSurroundings } from './signers/surroundings.ts';

export type FirstSigners = Readonly<Record<Purpose, string>>;

/** Where a CA's first key is unless the operator says otherwise. */
export const firstSigners: FirstSigners = {
  user: keyFileUri('user', 1),
  host: keyFileUri('host', 1),
  hop: keyFileUri('hop', 1),
};

export interface KeyFiles {
  readonly openSigner: SignerOpener;
  /**
   * The URI of a generation's key file. Makes the file if there is none, encrypted where a passphrase is given; one
   * that is there, from an attempt that was cut off, is used: no other generation ever has its name.
   */
  createKey(purpose: Purpose, generation: number): Promise<string>;
}

/** @param environment may name the passphrase of encrypted files, and what signers elsewhere need */
export function keyFiles(folder: string, environment: NodeJS.ProcessEnv): KeyFiles {
  const surroundings = signerSurroundings(folder, environment);
  return {
    openSigner: (uri) => openSigner(uri, surroundings),
    createKey: async (purpose, generation) => {
      const path = join(folder, keyFileName(purpose, generation));
      if (!(await exists(path))) {
        const passphrase = await surroundings.passphrase();
        await makeFile(folder, path, passphrase).finally(() => passphrase?.fill(0));
      }
      return keyFileUri(purpose, generation);
    },
  };
}

/** A server's own keys folder may be read-only to it, and should be where the commands are used. */
async function makeFile(folder: string, path: string, passphrase: Buffer | undefined): Promise<void> {
  try {
    await ensurePrivateFolder(folder);
    await createKeyFile(path, { passphrase });
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (isSallyportError(error) || syscall === undefined) throw error;
    throw new SallyportError(
      'file_refused',
      `The key file ${path} can't be made here (${code}). Name a signer with --signer, or run the command as the ` +
        "keys folder's owner where it can be written.",
    );
  }
}

function keyFileUri(purpose: Purpose, generation: number): string {
  return `file:${keyFileName(purpose, generation)}`;
}

function keyFileName(purpose: Purpose, generation: number): string {
  return generation === 1 ? `${purpose}_ca.pem` : `${purpose}_ca_${generation}.pem`;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
