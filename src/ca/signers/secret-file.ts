/**
 * Secrets that signers need (passphrase, PIN, token): always the content of a file, never a value in the environment,
 * which child processes, crash reports and /proc show.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { type SignerSetting, signerSetting } from './signer-settings.ts';

/** Longer than any passphrase, PIN or token of the services that we know. */
const longestSecret = 16 * 1024;

/** Which setting names a secret's file, and what the same secret is called as a systemd credential. */
export interface SecretSource {
  readonly setting: SignerSetting;
  readonly credential: string;
}

/**
 * Where the secret is: the file that the setting names, or the systemd credential (systemd.exec(5), LoadCredential=).
 * Undefined if neither is given.
 */
export function secretPath(environment: NodeJS.ProcessEnv, source: SecretSource): string | undefined {
  const named = signerSetting(environment, source.setting);
  if (named !== undefined) return named;
  const folder = environment['CREDENTIALS_DIRECTORY'];
  return folder === undefined || folder === '' ? undefined : join(folder, source.credential);
}

/**
 * The secret in a file, without the line ends after it. The caller zeroes it.
 * Links are followed and the group may read, as mounted secrets of systemd and Kubernetes have it; others may not.
 * @returns undefined if there is no file
 * @throws file_refused, settings_invalid if it is empty
 */
export async function readSecretFile(path: string): Promise<Buffer | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new SallyportError('file_refused', `${path} can't be read (${code}).`);
  }
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new SallyportError('file_refused', `${path} is not a regular file.`);
    if (process.platform !== 'win32' && (found.mode & 0o007) !== 0) {
      throw new SallyportError('file_refused', `${path} may be read by others. Run: chmod 600 ${path}`);
    }
    if (found.size > longestSecret)
      throw new SallyportError('file_refused', `${path} is too long for a secret.`);
    return withoutLineEnd(await file.readFile(), path);
  } finally {
    await file.close();
  }
}

function withoutLineEnd(content: Buffer, path: string): Buffer {
  let end = content.length;
  while (end > 0 && (content[end - 1] === 0x0a || content[end - 1] === 0x0d)) end -= 1;
  if (end === 0) throw new SallyportError('settings_invalid', `The file ${path} is empty.`);
  return content.subarray(0, end);
}
