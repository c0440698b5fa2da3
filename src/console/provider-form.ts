/** The form of an identity provider: its common settings as fields, the others as YAML. */
import { isDeepStrictEqual } from 'node:util';
import { parse, stringify, YAMLError } from 'yaml';
import { z } from 'zod';
import { SallyportError } from '../errors/sallyport-error.ts';
import { presets } from '../login/presets.ts';
import { documentOf, type ProviderDocument, type ProviderSettings } from '../login/provider-settings.ts';
import type { ProviderFields } from '../pages/provider-page.ts';

const line = z.string().max(4_096);

export const providerForm = z.strictObject({
  name: line,
  preset: line,
  client_id: line,
  client_secret: line,
  account: line,
  groups_prefix: line,
  email_domains: line,
  trust_email: z.literal('on').optional(),
  enabled: z.literal('on').optional(),
  more: z.string().max(20_000),
});

type Form = z.infer<typeof providerForm>;

export const emptyFields: ProviderFields = {
  slug: '',
  name: '',
  preset: 'generic',
  issuer: '',
  client_id: '',
  account: '',
  groups_prefix: '',
  email_domains: '',
  trust_email: false,
  enabled: true,
  more: '',
};

/** As they were sent, to be shown again. */
export function fieldsOfForm(form: Form, { slug, issuer }: { slug: string; issuer: string }): ProviderFields {
  const { client_secret: _, trust_email, enabled, ...rest } = form;
  return { ...rest, slug, issuer, trust_email: trust_email !== undefined, enabled: enabled !== undefined };
}

export function fieldsOf(
  slug: string,
  settings: ProviderSettings,
  { enabled }: { readonly enabled: boolean },
): ProviderFields {
  const preset = presets[settings.preset];
  const asPreset = documentOf({ ...settings, ...preset, emailDomains: null, requiredClaims: {} });
  return {
    slug,
    name: settings.name,
    preset: settings.preset,
    issuer: settings.issuer,
    client_id: settings.clientId,
    account: settings.claims.account === preset.claims.account ? '' : settings.claims.account,
    groups_prefix: settings.groups.prefix,
    email_domains: (settings.emailDomains ?? []).join(' '),
    trust_email: settings.trustEmail,
    enabled,
    more: differences(documentOf(settings), asPreset),
  };
}

/** What has no field of its own and is not as the preset says, as YAML. */
function differences(document: ProviderDocument, asPreset: ProviderDocument): string {
  const different = (name: keyof ProviderDocument) =>
    isDeepStrictEqual(document[name], asPreset[name]) ? {} : { [name]: document[name] };
  const { account: _, ...claims } = document.claims ?? {};
  const { account: __, ...presetClaims } = asPreset.claims ?? {};
  const { prefix: ___, ...groups } = document.groups ?? {};
  const { prefix: ____, ...presetGroups } = asPreset.groups ?? {};
  const more = {
    ...different('scopes'),
    ...(isDeepStrictEqual(claims, presetClaims) ? {} : { claims }),
    ...(isDeepStrictEqual(groups, presetGroups) ? {} : { groups }),
    ...different('required_claims'),
    ...different('assurance'),
    ...different('upstream'),
    ...different('max_age'),
  };
  return Object.keys(more).length === 0 ? '' : stringify(more);
}

/** The document of login/provider-settings.ts. @throws request_malformed if the YAML can't be read */
export function documentOfForm(form: Form, issuer: string): Record<string, unknown> {
  const more = moreOf(form.more);
  const domains = form.email_domains.split(/[\s,]+/).filter((word) => word !== '');
  return {
    ...more,
    name: form.name.trim(),
    preset: form.preset,
    issuer: issuer.trim(),
    client_id: form.client_id.trim(),
    claims: {
      ...record(more['claims']),
      ...(form.account.trim() === '' ? {} : { account: form.account.trim() }),
    },
    groups: { ...record(more['groups']), prefix: form.groups_prefix.trim() },
    email_domains: domains.length > 0 ? domains : null,
    trust_email: form.trust_email !== undefined,
  };
}

function moreOf(text: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = parse(text, { maxAliasCount: 0, uniqueKeys: true, strict: true });
  } catch (error) {
    if (!(error instanceof YAMLError) && !(error instanceof ReferenceError)) throw error;
    throw malformed(`Other settings are not YAML: ${error.message.split('\n')[0]}`);
  }
  if (parsed === null) return {};
  if (typeof parsed === 'object' && !Array.isArray(parsed)) return parsed as Record<string, unknown>;
  throw malformed('Other settings must be names with values, such as "max_age: true".');
}

function record(value: unknown): Record<string, unknown> {
  if (value === undefined || value === null) return {};
  if (typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>;
  throw malformed('claims and groups must hold names with values.');
}

function malformed(message: string): SallyportError {
  return new SallyportError('request_malformed', message);
}
