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
import { createSealer, newSealingKey, type Sealer } from '../secrets/seal.ts';

export interface ServerKeys extends KeyFiles {
  readonly oauth: AuthorizationServerKeys;
  /** Encryption at rest; also what keys of other purposes are derived from. */
  readonly sealer: Sealer;
}

const oauthFile = 'oauth.json';
const sealingFile = 'sealing.json';

const oauthKeysFile = z.object({
  jwks: z.object({ keys: z.array(z.record(z.string(), z.unknown())).min(1) }),
  cookieKeys: z.array(z.string().min(32)).min(1),
});

const sealingKeysFile = z.strictObject({
  /** base64; the first seals, all of them open. */
  keys: z.array(z.base64().refine((key) => Buffer.from(key, 'base64').length === 32)).min(1),
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
  if (!(await exists(join(folder, sealingFile)))) {
    const keys = JSON.stringify({ keys: [newSealingKey().toString('base64')] });
    await writeFileAtomically(join(folder, sealingFile), keys, { mode: 0o600 });
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
  const oauth = await readKeys(folder, oauthFile, oauthKeysFile);
  const sealing = await readKeys(folder, sealingFile, sealingKeysFile);
  return {
    ...keyFiles(folder, environment),
    oauth: oauth as AuthorizationServerKeys,
    sealer: createSealer(sealing.keys.map((key) => Buffer.from(key, 'base64'))),
  };
}

async function readKeys<Schema extends z.ZodType>(
  folder: string,
  file: string,
  schema: Schema,
): Promise<z.output<Schema>> {
  const bytes = await readPrivateFile(join(folder, file));
  if (!bytes) {
    throw new SallyportError(
      'settings_invalid',
      `The keys folder ${folder} is missing or not complete (${file}). This makes what is missing: sallyport keys create ${folder}`,
    );
  }
  const parsed = schema.safeParse(parseJson(bytes.toString('utf8')));
  if (parsed.success) return parsed.data;
  throw new SallyportError('settings_invalid', `${join(folder, file)} is damaged. Restore it from a backup.`);
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
