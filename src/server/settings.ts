/**
 * The settings of `sallyport serve`: one schema, read once with the files it names, all problems reported together by
 * the setting's name. Secrets come by file, so that they stand in no process list and no environment dump.
 */
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { z } from 'zod';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { type ConfiguredProvider, conflictsAmong, readProviderFile } from '../login/configured-providers.ts';
import { isAccountName } from '../ssh/names.ts';
import { parseWeakKeyList, type WeakKeyList } from '../ssh/weak-key-list.ts';
import {
  environmentProvider,
  environmentProviderFields,
  missingProviderSettings,
} from './environment-provider.ts';
import { openServerKeys, type ServerKeys } from './keys-folder.ts';
import { readReleaseFile } from './release-file.ts';
import { serverUrl, text, words } from './setting-kinds.ts';

/** The documentation's table is compared with this. */
export const settingsSchema = z.object({
  DATABASE_URL: text(
    'the Postgres database, such as postgres://sallyport@localhost/sallyport; or set DATABASE_URL_FILE',
  ).regex(/^postgres(ql)?:\/\//, 'must begin with postgres://'),
  SALLYPORT_PUBLIC_URL: serverUrl('the URL that people open, such as https://ssh.example.com')
    .refine(isOrigin, 'must be a host and perhaps a port, without path, query or user')
    .transform((given) => new URL(given)),
  SALLYPORT_LISTEN: z
    .string()
    .default('127.0.0.1:8420')
    .transform((given, context) => {
      const [, host = '', port = ''] = /^(\[[0-9a-f:]+\]|[a-z0-9.-]+):([0-9]{1,5})$/i.exec(given) ?? [];
      if (host !== '' && Number(port) <= 65_535) {
        return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
      }
      context.addIssue('must be ADDRESS:PORT, such as 127.0.0.1:8420');
      return z.NEVER;
    }),
  SALLYPORT_KEYS: text('the folder of the CA keys; make it with: sallyport keys create FOLDER'),
  SALLYPORT_ORGANIZATION: text('the organization whose people log in, such as acme'),
  ...environmentProviderFields,
  /** A YAML or JSON list: see login/configured-providers.ts. */
  SALLYPORT_IDENTITY_PROVIDERS: z.string().optional(),
  /** Where providers that admins set up in the console may be, beside public addresses. */
  SALLYPORT_PRIVATE_PROVIDERS: words()
    .refine((networks) => networks.every(isNetwork), 'must be addresses or networks, such as 10.0.0.0/8')
    .default([]),
  /** Addresses or networks of reverse proxies whose X-Forwarded-For is believed. */
  SALLYPORT_TRUSTED_PROXIES: words()
    .refine((networks) => networks.every(isNetwork), 'must be addresses or networks, such as 10.0.0.0/8')
    .default([]),
  /** How many of them a request passes at most. */
  SALLYPORT_PROXY_HOPS: z
    .string()
    .regex(/^[1-9]$/, 'must be a number from 1 to 9')
    .default('1')
    .transform(Number),
  /** A file in the format of Debian's openssh-blacklist. */
  SALLYPORT_WEAK_KEYS: z.string().optional(),
  /** sally.release of build/sign-release.ts: what `sally update-check` is told. */
  SALLYPORT_SALLY_RELEASE: z.string().optional(),
  /** Accounts that may change CA keys through the API, with a second factor. */
  SALLYPORT_OPERATORS: words()
    .refine((names) => names.every(isAccountName), 'must be account names, such as alice@example.com')
    .default([]),
});

export interface ServeSettings {
  readonly databaseUrl: string;
  readonly publicUrl: URL;
  readonly listen: { readonly host: string; readonly port: number };
  readonly keys: ServerKeys;
  readonly organizationSlug: string;
  readonly trustedProxies: readonly string[];
  readonly proxyHops: number;
  readonly operators: readonly string[];
  /** Empty where no list was given. */
  readonly weakKeys: WeakKeyList;
  /** The file, which was good at the start. */
  readonly releaseFile: string | undefined;
  readonly identityProviders: readonly ConfiguredProvider[];
  readonly privateProviderNetworks: readonly string[];
}

/** Reads the settings from an environment and the files it names. @throws settings_invalid with every problem */
export async function readServeSettings(environment: NodeJS.ProcessEnv): Promise<ServeSettings> {
  // An empty value is what `NAME= sallyport serve` and a compose file's unset variable give.
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const problems = new Map<string, string>();
  const tryTo = async <T>(setting: string, work: (value: string) => Promise<T>): Promise<T | undefined> => {
    const value = given[setting];
    if (value === undefined) return undefined;
    return await work(value).catch((error: unknown) => {
      if (!isSallyportError(error)) throw error;
      problems.set(setting, error.message);
      return undefined;
    });
  };

  const databaseUrl = given['DATABASE_URL'] ?? (await tryTo('DATABASE_URL_FILE', secretFrom));
  const clientSecret = await tryTo('SALLYPORT_OIDC_CLIENT_SECRET_FILE', secretFrom);
  const listed = await tryTo('SALLYPORT_IDENTITY_PROVIDERS', (path) =>
    readProviderFile(path, given['SALLYPORT_ORGANIZATION']),
  );
  const keys = await tryTo('SALLYPORT_KEYS', (folder) => openServerKeys(folder, environment));
  const weakKeys = await tryTo('SALLYPORT_WEAK_KEYS', async (path) => parseWeakKeyList(await textOf(path)));
  await tryTo('SALLYPORT_SALLY_RELEASE', readReleaseFile);
  const { success, data, error } = settingsSchema.safeParse({ ...given, DATABASE_URL: databaseUrl });
  for (const { path, message } of error?.issues ?? []) {
    const setting = path.join('.');
    // The file that was named is the problem then, and is told already.
    if (setting === 'DATABASE_URL' && problems.has('DATABASE_URL_FILE')) continue;
    if (!problems.has(setting)) problems.set(setting, message);
  }
  for (const [name, problem] of missingProviderSettings(given))
    if (!problems.has(name)) problems.set(name, problem);
  for (const name of Object.keys(given)) {
    if (!name.startsWith('SALLYPORT_OIDC_') || name in settingsSchema.shape) continue;
    problems.set(name, 'there is no such setting; a misspelled one would silently have its default');
  }
  if (!success || !keys || problems.size > 0) throw attention(problems);
  const identityProviders = [...environmentProvider(data, clientSecret, problems), ...(listed ?? [])];
  for (const problem of conflictsAmong(identityProviders))
    problems.set('SALLYPORT_IDENTITY_PROVIDERS', problem);
  if (problems.size > 0) throw attention(problems);
  return Object.freeze({
    databaseUrl: data.DATABASE_URL,
    publicUrl: data.SALLYPORT_PUBLIC_URL,
    listen: data.SALLYPORT_LISTEN,
    keys,
    organizationSlug: data.SALLYPORT_ORGANIZATION,
    trustedProxies: data.SALLYPORT_TRUSTED_PROXIES,
    proxyHops: data.SALLYPORT_PROXY_HOPS,
    operators: data.SALLYPORT_OPERATORS,
    weakKeys: weakKeys ?? new Set(),
    releaseFile: data.SALLYPORT_SALLY_RELEASE,
    identityProviders,
    privateProviderNetworks: data.SALLYPORT_PRIVATE_PROVIDERS,
  });
}

function attention(problems: ReadonlyMap<string, string>): SallyportError {
  const lines = [...problems].map(([setting, problem]) => `\n  ${setting}: ${problem}`);
  return new SallyportError('settings_invalid', `These settings need attention:${lines.join('')}`);
}

function isOrigin(given: string): boolean {
  return !URL.canParse(given) || new URL(given).href === `${new URL(given).origin}/`;
}

function isNetwork(given: string): boolean {
  const [address = '', bits, ...more] = given.split('/');
  const version = isIP(address);
  if (version === 0 || more.length > 0) return false;
  return bits === undefined || (/^[0-9]{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}

async function secretFrom(path: string): Promise<string> {
  const secret = await textOf(path);
  if (secret.trim() !== '') return secret.trim();
  throw new SallyportError('settings_invalid', `the file ${path} is empty`);
}

async function textOf(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new SallyportError('settings_invalid', `${path} can't be read (${error.code})`);
  });
}
