/**
 * The folder of a server's keys, every file 0600 in a 0700 folder: the private keys of CAs that are kept in files, and
 * the authorization server's signing and cookie keys. All replicas of one installation share it.
 */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { purposes } from '../ca/issuing.ts';
import { type KeyFiles, keyFiles } from '../ca/key-files.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { ensurePrivateFolder, readPrivateFile, writeFileAtomically } from '../files/write-file.ts';
import { type AuthorizationServerKeys, createAuthorizationServerKeys } from '../oauth/keys.ts';

export interface ServerKeys extends KeyFiles {
  readonly oauth: AuthorizationServerKeys;
}

const oauthFile = 'oauth.json';

const oauthKeysFile = z.object({
  jwks: z.object({ keys: z.array(z.record(z.string(), z.unknown())).min(1) }),
  cookieKeys: z.array(z.string().min(32)).min(1),
});

/**
 * Makes the keys that are not there yet; never overwrites one.
 * @param environment names the passphrase, where the CA keys shall be encrypted
 * @param options without `ca` where signers elsewhere hold the CA keys
 */
export async function createServerKeys(
  folder: string,
  environment: NodeJS.ProcessEnv = {},
  { ca = true }: { readonly ca?: boolean } = {},
): Promise<void> {
  await ensurePrivateFolder(folder);
  const { createKey } = keyFiles(folder, environment);
  if (ca) for (const purpose of purposes) await createKey(purpose, 1);
  if (!(await exists(join(folder, oauthFile)))) {
    const keys = JSON.stringify(await createAuthorizationServerKeys());
    await writeFileAtomically(join(folder, oauthFile), keys, { mode: 0o600 });
  }
}

/**
 * Reads the folder; CA keys are opened when they are asked for.
 * @throws settings_invalid or file_refused, naming the file
 */
export async function openServerKeys(
  folder: string,
  environment: NodeJS.ProcessEnv = {},
): Promise<ServerKeys> {
  return await openFiles(folder, environment).catch((error: NodeJS.ErrnoException) => {
    if (isSallyportError(error) || error.syscall === undefined) throw error;
    throw new SallyportError('file_refused', `${error.path ?? folder} can't be read (${error.code}).`);
  });
}

async function openFiles(folder: string, environment: NodeJS.ProcessEnv): Promise<ServerKeys> {
  const oauth = await readPrivateFile(join(folder, oauthFile));
  if (!oauth) {
    throw new SallyportError(
      'settings_invalid',
      `The keys folder ${folder} is missing or not complete. Make it with: sallyport keys create ${folder}`,
    );
  }
  const parsed = oauthKeysFile.safeParse(parseJson(oauth.toString('utf8')));
  if (!parsed.success) {
    throw new SallyportError(
      'settings_invalid',
      `${join(folder, oauthFile)} is damaged. Restore it from a backup.`,
    );
  }
  return { ...keyFiles(folder, environment), oauth: parsed.data as AuthorizationServerKeys };
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
