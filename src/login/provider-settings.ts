/**
 * The settings of one identity provider: what is written in a file or the console (a preset and what differs from it),
 * and what becomes of that. Pure. Stored as the complete form, so that a later preset changes no provider silently.
 */
import { z } from 'zod';
import { isHostName, isSlug } from '../ssh/names.ts';
import { isEmail, parseAccountTemplate } from './account-template.ts';
import { isClaimReference } from './claim-at.ts';
import { groupPrefix } from './groups.ts';
import { type Preset, type PresetName, presetNames, presets, type StepUp } from './presets.ts';

export interface ProviderSettings extends Preset {
  readonly name: string;
  readonly preset: PresetName;
  readonly issuer: string;
  readonly clientId: string;
  /** Slug. */
  readonly organization: string;
  /** Domains of verified e-mail addresses that may log in; null: any. The organization's own domains decide besides. */
  readonly emailDomains: readonly string[] | null;
  /** By claim name or JSON Pointer, the exact values of which one must be there. */
  readonly requiredClaims: Readonly<Record<string, readonly string[]>>;
}

const shortText = z.string().min(1).max(200);
const claimReference = z
  .string()
  .refine(isClaimReference, 'must be the name of a claim, or a JSON Pointer such as /resource_access/roles');
const words = z.array(z.string().regex(/^[\x21-\x7e]{1,200}$/, 'must be words without spaces')).max(100);
const template = z
  .string()
  .refine(
    (text) => parseAccountTemplate(text) !== undefined,
    'must be a template such as {email}, {preferred_username}@acme.example or {email:local}@acme.example',
  );
const domain = z
  .string()
  .refine(
    (text) => isHostName(text) && text.includes('.'),
    'must be a domain in lower case, such as acme.example',
  );
const secureUrl = z
  .string()
  .max(2048)
  .refine(
    isSecureUrl,
    'must be an https:// URL without user, query or fragment (http:// only on this machine itself)',
  );

const documentSchema = z.strictObject({
  name: shortText.regex(/^[^\p{Cc}\p{Cf}\p{Cs}]+$/u, 'must hold no control characters'),
  preset: z.enum(presetNames, `must be one of ${presetNames.join(', ')}`).default('generic'),
  issuer: secureUrl,
  client_id: shortText,
  organization: z.string().refine(isSlug, 'must be the slug of an organization, such as acme'),
  scopes: words.refine((scopes) => scopes.includes('openid'), 'must hold openid').optional(),
  claims: z
    .strictObject({ account: template, name: claimReference, groups: claimReference })
    .partial()
    .optional(),
  trust_email: z.boolean().optional(),
  email_domains: z.array(domain).min(1, 'must hold a domain, or be left out').max(100).nullable().optional(),
  required_claims: z.record(claimReference, z.array(z.string().min(1).max(500)).min(1).max(100)).optional(),
  groups: z
    .strictObject({
      prefix: z
        .string()
        .regex(groupPrefix, 'must be empty, or a word of a-z 0-9 - followed by "::", such as "okta::"'),
      overage: z.union(
        [z.literal('refuse'), z.strictObject({ fetch: secureUrl })],
        'must be refuse, or fetch: a URL',
      ),
    })
    .partial()
    .optional(),
  assurance: z
    .strictObject({
      amr: z.record(z.string().min(1).max(200), words),
      multi_factor_amr: z.array(words.min(1)).max(100),
      multi_factor_acr: z.array(shortText).max(100),
      step_up: z.union(
        [
          z.strictObject({ acr_values: words.min(1) }),
          z.strictObject({ prompt: z.literal('login') }),
          z.null(),
        ],
        'must be acr_values: [...], prompt: login, or null',
      ),
    })
    .partial()
    .optional(),
  upstream: z
    .strictObject({ refresh: z.enum(['when-offered', 'required', 'off']) })
    .partial()
    .optional(),
  max_age: z.boolean().optional(),
});

/** As written in a file, sent to the API and stored. */
export type ProviderDocument = z.input<typeof documentSchema>;

/** Another form of one problem: where, and what to do about it. */
export interface SettingsProblem {
  /** Such as `claims.account`; empty: the whole. */
  readonly at: string;
  readonly message: string;
}

export type ParsedSettings =
  | { readonly settings: ProviderSettings; readonly problems: null }
  | { readonly settings: null; readonly problems: readonly SettingsProblem[] };

/** All problems at once. */
export function parseProviderSettings(document: unknown): ParsedSettings {
  const { success, data, error } = documentSchema.safeParse(document);
  if (!success) return { settings: null, problems: error.issues.map(problemOf) };
  const settings = withPreset(data);
  const problems = contradictions(settings);
  return problems.length > 0 ? { settings: null, problems } : { settings, problems: null };
}

/** The complete document, of which nothing is left to a preset. */
export function documentOf(settings: ProviderSettings): ProviderDocument {
  const { assurance } = settings;
  const { stepUp } = assurance;
  return structuredClone({
    name: settings.name,
    preset: settings.preset,
    issuer: settings.issuer,
    client_id: settings.clientId,
    organization: settings.organization,
    scopes: settings.scopes,
    claims: settings.claims,
    trust_email: settings.trustEmail,
    email_domains: settings.emailDomains,
    required_claims: settings.requiredClaims,
    groups: settings.groups,
    assurance: {
      amr: assurance.amr,
      multi_factor_amr: assurance.multiFactorAmr,
      multi_factor_acr: assurance.multiFactorAcr,
      step_up: stepUp !== null && 'acrValues' in stepUp ? { acr_values: stepUp.acrValues } : stepUp,
    },
    upstream: settings.upstream,
    max_age: settings.maxAge,
  }) as ProviderDocument;
}

function withPreset(given: z.output<typeof documentSchema>): ProviderSettings {
  const preset = presets[given.preset];
  const { assurance = {} } = given;
  const { step_up: stepUp } = assurance;
  return {
    name: given.name,
    preset: given.preset,
    issuer: given.issuer,
    clientId: given.client_id,
    organization: given.organization,
    scopes: given.scopes ?? preset.scopes,
    claims: present(preset.claims, given.claims),
    trustEmail: given.trust_email ?? preset.trustEmail,
    emailDomains: given.email_domains ?? null,
    requiredClaims: given.required_claims ?? {},
    groups: present(preset.groups, given.groups),
    assurance: {
      amr: assurance.amr ?? preset.assurance.amr,
      multiFactorAmr: assurance.multi_factor_amr ?? preset.assurance.multiFactorAmr,
      multiFactorAcr: assurance.multi_factor_acr ?? preset.assurance.multiFactorAcr,
      stepUp: stepUp === undefined ? preset.assurance.stepUp : stepUpOf(stepUp),
    },
    upstream: present(preset.upstream, given.upstream),
    maxAge: given.max_age ?? preset.maxAge,
  };
}

function stepUpOf(given: { acr_values: string[] } | { prompt: 'login' } | null): StepUp {
  return given !== null && 'acr_values' in given ? { acrValues: given.acr_values } : given;
}

/** What each field allows by itself and that makes no sense together. */
function contradictions(settings: ProviderSettings): SettingsProblem[] {
  const problems: SettingsProblem[] = [];
  const account = parseAccountTemplate(settings.claims.account);
  if (account?.localPartOnly && settings.emailDomains?.length !== 1) {
    problems.push({
      at: 'email_domains',
      message:
        'must hold exactly one domain where the account template takes the part before the "@": people of two domains ' +
        'would share a name',
    });
  }
  if (account?.localPartOnly && !isEmail(account.claim) && settings.emailDomains !== null) {
    problems.push({
      at: 'claims.account',
      message: 'can take the part before the "@" only of {email:local}',
    });
  }
  return problems;
}

function present<T extends object>(defaults: T, given: { [Key in keyof T]?: T[Key] | undefined } = {}): T {
  const said = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(said) };
}

function problemOf(issue: z.core.$ZodIssue): SettingsProblem {
  const at = issue.path.join('.');
  if (issue.code === 'unrecognized_keys')
    return { at, message: `there is no setting ${issue.keys.join(', ')}` };
  const missing = issue.code === 'invalid_type' && issue.message.endsWith('received undefined');
  return { at, message: missing ? 'is missing' : issue.message };
}

/** https, or http to this machine itself, where no one else listens in. No user, query or fragment. */
function isSecureUrl(given: string): boolean {
  if (!URL.canParse(given) || /[?#\s]/.test(given)) return false;
  const { protocol, username, password, hostname } = new URL(given);
  if (username !== '' || password !== '') return false;
  return protocol === 'https:' || (protocol === 'http:' && loopback.test(hostname));
}

const loopback = /^(localhost|127\.[0-9.]+|\[::1\])$/;
