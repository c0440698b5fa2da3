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

/** What OpenID Connect Core says, and of a second factor only what RFC 8176 itself names so. */
const generic: Preset = {
  scopes: ['openid', 'email', 'profile'],
  claims: { account: '{email}', name: 'name', groups: 'groups' },
  trustEmail: false,
  groups: { prefix: '', overage: 'refuse' },
  assurance: { amr: registered, multiFactorAmr: [['mfa']], multiFactorAcr: [], stepUp: null },
  upstream: { refresh: 'when-offered' },
  maxAge: true,
};

/**
 * https://developer.okta.com/docs/guides/configure-amr-claims-mapping/main/
 * https://developer.okta.com/docs/guides/step-up-authentication/main/ (one factor is enough for "...:ifpossible", and may
 * be for phr: those are not counted)
 * https://developer.okta.com/docs/guides/customize-tokens-groups-claim/main/
 */
const okta: Preset = {
  ...generic,
  scopes: ['openid', 'email', 'profile', 'groups', 'offline_access'],
  assurance: {
    amr: registered,
    multiFactorAmr: [['mfa']],
    multiFactorAcr: ['urn:okta:loa:2fa:any'],
    stepUp: { acrValues: ['urn:okta:loa:2fa:any'] },
  },
};

/**
 * https://learn.microsoft.com/entra/identity-platform/optional-claims-reference (upn, auth_time; `email` is not verified)
 * https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference (amr of v1.0 tokens)
 * https://learn.microsoft.com/entra/identity/hybrid/connect/how-to-connect-fed-group-claims (object ids; 200 at most)
 */
const entra: Preset = {
  ...generic,
  scopes: ['openid', 'email', 'profile', 'offline_access'],
  claims: { account: '{upn}', name: 'name', groups: 'groups' },
  assurance: {
    amr: {
      ...asRegistered('fido', 'mfa', 'otp', 'pwd', 'wia'),
      fido: ['hwk'],
      ngcmfa: ['mfa'],
      rsa: ['swk'],
    },
    multiFactorAmr: [['mfa'], ['ngcmfa']],
    multiFactorAcr: [],
    stepUp: { prompt: 'login' },
  },
  maxAge: false,
};

/**
 * https://developers.google.com/identity/openid-connect/openid-connect (email_verified, hd; refresh tokens only with a
 * parameter of their own)
 * https://developers.google.com/identity/siwg/security-bundle (amr and auth_time where switched on; no re-authentication)
 */
const google: Preset = {
  ...generic,
  assurance: {
    amr: asRegistered('hwk', 'mfa', 'pwd'),
    multiFactorAmr: [['mfa']],
    multiFactorAcr: [],
    stepUp: null,
  },
  upstream: { refresh: 'off' },
  maxAge: false,
};

/**
 * https://www.keycloak.org/docs/latest/server_admin/#_step-up-flow (ACR to LoA mapping)
 * https://www.keycloak.org/docs/latest/server_admin/#_oidc-clients (mapper "Authentication Method Reference (AMR)")
 * Both words are the realm's to choose. "mfa" means nothing in a realm whose administrator has not made it.
 */
const keycloak: Preset = {
  ...generic,
  assurance: {
    amr: registered,
    multiFactorAmr: [['mfa'], ['pwd', 'otp'], ['pwd', 'hwk']],
    multiFactorAcr: ['mfa'],
    stepUp: { acrValues: ['mfa'] },
  },
};

/**
 * https://auth0.com/docs/secure/multi-factor-authentication/step-up-authentication/configure-step-up-authentication-for-web-apps
 * https://auth0.com/docs/secure/multi-factor-authentication/step-up-authentication (acr_values)
 */
const auth0MultiFactor = 'http://schemas.openid.net/pape/policies/2007/06/multi-factor';
const auth0: Preset = {
  ...generic,
  scopes: ['openid', 'email', 'profile', 'offline_access'],
  assurance: {
    amr: registered,
    multiFactorAmr: [['mfa']],
    // `acr` repeats what was asked for in some set-ups of Actions; `amr` is what Auth0 says to check.
    multiFactorAcr: [],
    stepUp: { acrValues: [auth0MultiFactor] },
  },
};

/**
 * https://github.com/goauthentik/authentik/blob/main/authentik/providers/oauth2/id_token.py (amr: pwd, mfa, user, sc; `acr`
 * is always the same)
 * https://docs.goauthentik.io/add-secure-apps/providers/oauth2/ (scopes; the default e-mail scope says "not verified")
 */
const authentik: Preset = {
  ...generic,
  scopes: ['openid', 'email', 'profile', 'offline_access'],
  assurance: {
    amr: asRegistered('mfa', 'otp', 'pwd', 'sc', 'user'),
    multiFactorAmr: [['mfa']],
    multiFactorAcr: [],
    stepUp: { prompt: 'login' },
  },
};

/**
 * https://dexidp.io/docs/configuration/custom-scopes-claims-clients/
 * https://github.com/dexidp/dex/blob/master/server/oauth2.go (ID tokens have no amr, acr or auth_time)
 */
const dex: Preset = {
  ...generic,
  scopes: ['openid', 'email', 'profile', 'groups', 'offline_access'],
  assurance: { amr: {}, multiFactorAmr: [], multiFactorAcr: [], stepUp: null },
  maxAge: false,
};

/** https://jumpcloud.com/support/sso-with-oidc (attributes and groups are chosen there; nothing is said of amr) */
const jumpcloud: Preset = {
  ...generic,
  scopes: ['openid', 'email', 'profile', 'offline_access'],
  assurance: { amr: {}, multiFactorAmr: [], multiFactorAcr: [], stepUp: null },
  maxAge: false,
};

export const presets: Readonly<Record<PresetName, Preset>> = {
  okta,
  entra,
  google,
  keycloak,
  auth0,
  authentik,
  dex,
  jumpcloud,
  generic,
};
