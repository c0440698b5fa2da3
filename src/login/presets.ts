/**
 * What providers of one make have in common. Facts about other people's products, each with the page it is from;
 * docs/identity-providers.md says what could be verified. A preset is only where settings begin. Pure.
 */

export const presetNames = [
  'okta',
  'entra',
  'google',
  'keycloak',
  'auth0',
  'authentik',
  'dex',
  'jumpcloud',
  'generic',
] as const;

export type PresetName = (typeof presetNames)[number];

/** How a provider is asked for a second factor; null: it can't be. */
export type StepUp = { readonly acrValues: readonly string[] } | { readonly prompt: 'login' } | null;

export interface Preset {
  readonly scopes: readonly string[];
  readonly claims: {
    /** A template: see account-template.ts. */
    readonly account: string;
    /** Claim names, or JSON Pointers if they begin with "/". */
    readonly name: string;
    readonly groups: string;
  };
  /** The provider verifies every e-mail address, although it sends no `email_verified`. */
  readonly trustEmail: boolean;
  readonly groups: {
    readonly prefix: string;
    /** What happens where the provider has more groups than it sends. */
    readonly overage: 'refuse' | { readonly fetch: string };
  };
  readonly assurance: {
    readonly amr: Readonly<Record<string, readonly string[]>>;
    readonly multiFactorAmr: readonly (readonly string[])[];
    readonly multiFactorAcr: readonly string[];
    readonly stepUp: StepUp;
  };
  readonly upstream: { readonly refresh: 'when-offered' | 'required' | 'off' };
  /** Whether the provider honours `max_age` and sends `auth_time`. */
  readonly maxAge: boolean;
}

/** Method names that mean at a provider what RFC 8176 section 2 says. */
function asRegistered(...names: string[]): Record<string, readonly string[]> {
  return Object.fromEntries(names.map((name) => [name, [name]]));
}

const registered = asRegistered(
  'face',
  'fpt',
  'geo',
  'hwk',
  'iris',
  'kba',
  'mca',
  'mfa',
  'otp',
  'pin',
  'pwd',
  'rba',
  'retina',
  'sc',
  'sms',
  'swk',
  'tel',
  'user',
  'vbm',
  'wia',
);

const generic: Preset = {
  scopes: ['openid', 'email', 'profile'],
  claims: { account: '{email}', name: 'name', groups: 'groups' },
  trustEmail: false,
  groups: { prefix: '', overage: 'refuse' },
  assurance: { amr: registered, multiFactorAmr: [['mfa']], multiFactorAcr: [], stepUp: null },
  upstream: { refresh: 'when-offered' },
  maxAge: true,
};

export const presets: Readonly<Record<PresetName, Preset>> = {
  okta: generic,
  entra: generic,
  google: generic,
  keycloak: generic,
  auth0: generic,
  authentik: generic,
  dex: generic,
  jumpcloud: generic,
  generic,
};
