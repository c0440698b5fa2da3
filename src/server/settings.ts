/**
 * The settings of `sallyport serve`: one schema, read once, all problems reported together by the setting's name.
 * Secrets come by file, so that they stand in no process list and no environment dump.
 */
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { z } from 'zod';
import { SallyportError } from '../errors/sallyport-error.ts';

const words = z
  .string()
  .transform((text) => text.split(/[\s,]+/).filter((word) => word !== ''))
  .pipe(z.array(z.string()).min(1));

const settingsSchema = z.object({
  DATABASE_URL: z
    .string(
      'the Postgres database, such as postgres://sallyport@localhost/sallyport; or set DATABASE_URL_FILE',
    )
    .regex(/^postgres(ql)?:\/\//, 'must begin with postgres://'),
  SALLYPORT_PUBLIC_URL: z
    .url('the URL that people open, such as https://ssh.example.com')
    .refine((text) => URL.canParse(text) && new URL(text).pathname === '/', 'must have no path')
    .transform((text) => new URL(text)),
  SALLYPORT_LISTEN: z
    .string()
    .regex(/^(\[[0-9a-f:]+\]|[a-z0-9.-]+):[0-9]{1,5}$/i, 'must be ADDRESS:PORT, such as 127.0.0.1:8420')
    .default('127.0.0.1:8420'),
  SALLYPORT_KEYS: z.string('the folder of the CA keys; make it with: sallyport keys create FOLDER').min(1),
  SALLYPORT_ORGANIZATION: z.string('the organization whose people log in, such as acme').min(1),
  SALLYPORT_OIDC_ISSUER: z.url('the identity provider, such as https://login.example.com'),
  SALLYPORT_OIDC_CLIENT_ID: z.string('the client id that the identity provider gave you').min(1),
  SALLYPORT_OIDC_CLIENT_SECRET_FILE: z.string('the file that holds the client secret').min(1),
  SALLYPORT_OIDC_SCOPES: words.default(['openid', 'email', 'profile']),
  SALLYPORT_OIDC_CLAIM_ACCOUNT: z.string().min(1).default('email'),
  SALLYPORT_OIDC_CLAIM_NAME: z.string().min(1).default('name'),
  SALLYPORT_OIDC_CLAIM_GROUPS: z.string().min(1).default('groups'),
  /** RFC 8176 values of `amr`; one of them makes a login count as multi-factor. */
  SALLYPORT_OIDC_MFA_METHODS: words.default(['mfa']),
  /** Addresses or networks of reverse proxies whose X-Forwarded-For is believed. */
  SALLYPORT_TRUSTED_PROXIES: words.optional(),
});

export interface ServeSettings {
  readonly databaseUrl: string;
  readonly publicUrl: URL;
  readonly listen: { readonly host: string; readonly port: number };
  readonly keysFolder: string;
  readonly organizationSlug: string;
  readonly trustedProxies: readonly string[];
  readonly identityProvider: IdentityProviderSettings;
}

export interface IdentityProviderSettings {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scopes: readonly string[];
  readonly claims: { readonly account: string; readonly name: string; readonly groups: string };
  readonly mfaMethods: readonly string[];
}

/** Reads the settings from an environment and the files it names. Throws settings_invalid with every problem. */
export async function readServeSettings(environment: NodeJS.ProcessEnv): Promise<ServeSettings> {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const problems: string[] = [];
  if (given['DATABASE_URL_FILE'] && !given['DATABASE_URL']) {
    given['DATABASE_URL'] = await secretFrom(given['DATABASE_URL_FILE'], 'DATABASE_URL_FILE', problems);
  }
  const parsed = settingsSchema.safeParse(given);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) problems.push(`${issue.path.join('.')}: ${issue.message}`);
  }
  const secretFile = given['SALLYPORT_OIDC_CLIENT_SECRET_FILE'];
  const clientSecret = secretFile
    ? await secretFrom(secretFile, 'SALLYPORT_OIDC_CLIENT_SECRET_FILE', problems)
    : undefined;
  if (parsed.success)
    problems.push(...tooOpen(parsed.data.SALLYPORT_PUBLIC_URL, parsed.data.SALLYPORT_OIDC_ISSUER));
  if (!parsed.success || clientSecret === undefined || problems.length > 0) {
    throw new SallyportError(
      'settings_invalid',
      `These settings need attention:\n  ${problems.join('\n  ')}`,
    );
  }
  const settings = parsed.data;
  const [, host = '', port = ''] = /^(.*):([0-9]+)$/.exec(settings.SALLYPORT_LISTEN) ?? [];
  return Object.freeze({
    databaseUrl: settings.DATABASE_URL,
    publicUrl: settings.SALLYPORT_PUBLIC_URL,
    listen: { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) },
    keysFolder: settings.SALLYPORT_KEYS,
    organizationSlug: settings.SALLYPORT_ORGANIZATION,
    trustedProxies: settings.SALLYPORT_TRUSTED_PROXIES ?? [],
    identityProvider: {
      issuer: settings.SALLYPORT_OIDC_ISSUER,
      clientId: settings.SALLYPORT_OIDC_CLIENT_ID,
      clientSecret,
      scopes: settings.SALLYPORT_OIDC_SCOPES,
      claims: {
        account: settings.SALLYPORT_OIDC_CLAIM_ACCOUNT,
        name: settings.SALLYPORT_OIDC_CLAIM_NAME,
        groups: settings.SALLYPORT_OIDC_CLAIM_GROUPS,
      },
      mfaMethods: settings.SALLYPORT_OIDC_MFA_METHODS,
    },
  });
}

/** Whether a URL's host is this machine itself. */
export function isLoopback(url: URL): boolean {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (host === 'localhost' || host === '::1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}

function tooOpen(publicUrl: URL, issuer: string): string[] {
  const problems: string[] = [];
  for (const [name, url] of [
    ['SALLYPORT_PUBLIC_URL', publicUrl],
    ['SALLYPORT_OIDC_ISSUER', new URL(issuer)],
  ] as const) {
    if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url))) continue;
    problems.push(`${name}: must be https:// (http:// only on this machine itself)`);
  }
  return problems;
}

async function secretFrom(path: string, setting: string, problems: string[]): Promise<string | undefined> {
  try {
    const secret = (await readFile(path, 'utf8')).trim();
    if (secret !== '') return secret;
    problems.push(`${setting}: the file ${path} is empty`);
  } catch (error) {
    problems.push(`${setting}: ${path} can't be read (${(error as NodeJS.ErrnoException).code})`);
  }
  return undefined;
}
