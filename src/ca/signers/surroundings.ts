/**
 * What signers find around them: the keys folder, the passphrase and the environment of this very process. A signer's
 * URI is stored in the database and holds no secret, so everything else comes from here.
 */
import { SallyportError } from '../../errors/sallyport-error.ts';
import { readSecretFile, type SecretSource, secretPath } from './secret-file.ts';
import { signerSetting } from './signer-settings.ts';

export interface SignerSurroundings {
  /** The folder of `file:` signers. */
  readonly keysFolder: string;
  /** Reads the passphrase of encrypted key files anew; whoever asks zeroes what it gives. Undefined if none is given. */
  readonly passphrase: () => Promise<Buffer | undefined>;
  /** Addresses, and the names of files with credentials. */
  readonly environment: NodeJS.ProcessEnv;
}

export const passphraseSource: SecretSource = {
  setting: 'SALLYPORT_KEYS_PASSPHRASE_FILE',
  credential: 'sallyport-keys-passphrase',
};

/** The surroundings of a process with this environment. */
export function signerSurroundings(keysFolder: string, environment: NodeJS.ProcessEnv): SignerSurroundings {
  return { keysFolder, environment, passphrase: () => readSecret(environment, passphraseSource) };
}

/**
 * A secret that the settings or systemd give; the caller zeroes it.
 * @throws settings_invalid if a setting names a file that isn't there; file_refused
 */
export async function readSecret(
  environment: NodeJS.ProcessEnv,
  source: SecretSource,
): Promise<Buffer | undefined> {
  const path = secretPath(environment, source);
  if (path === undefined) return undefined;
  const secret = await readSecretFile(path);
  if (secret !== undefined || signerSetting(environment, source.setting) !== path) return secret;
  throw new SallyportError('settings_invalid', `${source.setting} names ${path}, and there is no such file.`);
}
