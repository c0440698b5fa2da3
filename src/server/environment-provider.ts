/** The identity provider of SALLYPORT_OIDC_*: one is enough for many installations, and needs no file then. */
import { z } from 'zod';
import { type ConfiguredProvider, defaultProviderSlug } from '../login/configured-providers.ts';
import { presetNames } from '../login/presets.ts';
import { parseProviderSettings } from '../login/provider-settings.ts';
import { serverUrl, text, words } from './setting-kinds.ts';

export const environmentProviderFields = {
  /** Left out only where SALLYPORT_IDENTITY_PROVIDERS is set: see missingProviderSettings. */
  SALLYPORT_OIDC_ISSUER: serverUrl('the identity provider, such as https://login.example.com').optional(),
  SALLYPORT_OIDC_CLIENT_ID: text('the client id that the identity provider gave you').optional(),
  SALLYPORT_OIDC_CLIENT_SECRET_FILE: text('the file that holds the client secret').optional(),
  SALLYPORT_OIDC_PRESET: z.enum(presetNames, `must be one of ${presetNames.join(', ')}`).default('generic'),
  /** These five are the preset's where they are left out. */
  SALLYPORT_OIDC_SCOPES: words().optional(),
  /** A claim, or a template of account-template.ts. */
  SALLYPORT_OIDC_CLAIM_ACCOUNT: z.string().optional(),
  SALLYPORT_OIDC_CLAIM_NAME: z.string().optional(),
  SALLYPORT_OIDC_CLAIM_GROUPS: z.string().optional(),
  /** Values of `amr`; one of them makes a login count as multi-factor. */
  SALLYPORT_OIDC_MFA_METHODS: words().optional(),
  SALLYPORT_OIDC_TRUST_EMAIL: z.enum(['yes', 'no'], 'must be yes or no').optional(),
};

const fieldsSchema = z.object(environmentProviderFields);

const providerSettings = [
  'SALLYPORT_OIDC_ISSUER',
  'SALLYPORT_OIDC_CLIENT_ID',
  'SALLYPORT_OIDC_CLIENT_SECRET_FILE',
] as const;

/** Of these three all are needed, or none and a list of providers. */
export function missingProviderSettings(
  given: Readonly<Record<string, string | undefined>>,
): [string, string][] {
  const usesEnvironment = Object.keys(given).some((name) => name.startsWith('SALLYPORT_OIDC_'));
  if (given['SALLYPORT_IDENTITY_PROVIDERS'] !== undefined && !usesEnvironment) return [];
  return providerSettings
    .filter((name) => given[name] === undefined)
    .map((name) => [
      name,
      environmentProviderFields[name].unwrap().safeParse(undefined).error?.issues[0]?.message ?? '',
    ]);
}

/** The provider of SALLYPORT_OIDC_*, if it is set. */
export function environmentProvider(
  data: z.output<typeof fieldsSchema> & { SALLYPORT_ORGANIZATION: string },
  clientSecret: string | undefined,
  problems: Map<string, string>,
): ConfiguredProvider[] {
  if (clientSecret === undefined) return [];
  const {
    SALLYPORT_OIDC_SCOPES: scopes,
    SALLYPORT_OIDC_CLAIM_ACCOUNT: account,
    SALLYPORT_OIDC_MFA_METHODS: methods,
    SALLYPORT_OIDC_TRUST_EMAIL: trustEmail,
  } = data;
  const { settings, problems: found } = parseProviderSettings({
    name: data.SALLYPORT_OIDC_ISSUER && new URL(data.SALLYPORT_OIDC_ISSUER).host,
    preset: data.SALLYPORT_OIDC_PRESET,
    issuer: data.SALLYPORT_OIDC_ISSUER,
    client_id: data.SALLYPORT_OIDC_CLIENT_ID,
    organization: data.SALLYPORT_ORGANIZATION,
    scopes: scopes && [...new Set(['openid', ...scopes])],
    claims: {
      account: account === undefined || account.includes('{') ? account : `{${account}}`,
      name: data.SALLYPORT_OIDC_CLAIM_NAME,
      groups: data.SALLYPORT_OIDC_CLAIM_GROUPS,
    },
    trust_email: trustEmail && trustEmail === 'yes',
    assurance: { multi_factor_amr: methods?.map((method) => [method]) },
  });
  for (const { at, message } of found ?? [])
    problems.set(settingOf[at.split('.', 2).join('.')] ?? at, message);
  return settings === null ? [] : [{ slug: defaultProviderSlug, settings, clientSecret }];
}

const settingOf: Readonly<Record<string, string>> = {
  issuer: 'SALLYPORT_OIDC_ISSUER',
  client_id: 'SALLYPORT_OIDC_CLIENT_ID',
  organization: 'SALLYPORT_ORGANIZATION',
  'scopes.0': 'SALLYPORT_OIDC_SCOPES',
  scopes: 'SALLYPORT_OIDC_SCOPES',
  'claims.account': 'SALLYPORT_OIDC_CLAIM_ACCOUNT',
  'claims.name': 'SALLYPORT_OIDC_CLAIM_NAME',
  'claims.groups': 'SALLYPORT_OIDC_CLAIM_GROUPS',
  email_domains: 'SALLYPORT_OIDC_CLAIM_ACCOUNT',
};
