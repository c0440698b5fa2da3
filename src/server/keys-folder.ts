/**
 * The folder of a server's keys, every file 0600 in a 0700 folder: the private keys of the user CA and the host CA
 * (PKCS#8), and the authorization server's signing and cookie keys. All replicas of one installation share it.
 */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { createKeyFile, openFileSigner, type Signer } from '../ca/signer.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { ensurePrivateFolder, readPrivateFile, writeFileAtomically } from '../files/write-file.ts';
import { type AuthorizationServerKeys, createAuthorizationServerKeys } from '../oauth/keys.ts';

export interface ServerKeys {
  readonly userSigner: Signer;
  readonly hostSigner: Signer;
  readonly oauth: AuthorizationServerKeys;
}

const files = { user: 'user_ca.pem', host: 'host_ca.pem', oauth: 'oauth.json' } as const;

const oauthKeysFile = z.object({
  jwks: z.object({ keys: z.array(z.record(z.string(), z.unknown())).min(1) }),
  cookieKeys: z.array(z.string().min(32)).min(1),
});

/** Makes the keys that are not there yet; never overwrites one. */
export async function createServerKeys(folder: string): Promise<void> {
  await ensurePrivateFolder(folder);
  for (const name of [files.user, files.host]) {
    if (!(await exists(join(folder, name)))) await createKeyFile(join(folder, name));
  }
  if (!(await exists(join(folder, files.oauth)))) {
    const keys = JSON.stringify(await createAuthorizationServerKeys());
    await writeFileAtomically(join(folder, files.oauth), keys, { mode: 0o600 });
  }
}

/** Opens the keys of `folder`. @throws settings_invalid or file_refused, naming the file */
export async function openServerKeys(folder: string): Promise<ServerKeys> {
  return await openFiles(folder).catch((error: NodeJS.ErrnoException) => {
    if (isSallyportError(error) || error.syscall === undefined) throw error;
    throw new SallyportError('file_refused', `${error.path ?? folder} can't be read (${error.code}).`);
  });
}

async function openFiles(folder: string): Promise<ServerKeys> {
  const oauth = await readPrivateFile(join(folder, files.oauth));
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
      `${join(folder, files.oauth)} is damaged. Restore it from a backup.`,
    );
  }
  return {
    userSigner: await openFileSigner(join(folder, files.user)),
    hostSigner: await openFileSigner(join(folder, files.host)),
    oauth: parsed.data as AuthorizationServerKeys,
  };
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
