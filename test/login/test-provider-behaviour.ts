/** What a test provider may be told to do differently or wrong, and what it says then. */
import type { JWTPayload } from 'jose';
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { ProviderSettings } from '../../src/login/provider-settings.ts';

export interface TestPerson {
  /** What is typed into the login form, and `sub`. */
  readonly username: string;
  readonly name?: string;
  readonly email?: string;
  readonly groups?: readonly string[];
}

/** Everything here may be changed while the provider runs. */
export interface TestProviderBehaviour {
  /** `amr` of every login; null: none is sent. */
  amr: readonly string[] | null;
  acr: string | null;
  /** What `auth_time` is off by; null: it is not sent. */
  authTimeOffsetSeconds: number | null;
  /** What `iat` and `exp` are off by: the provider's clock. */
  clockSkewSeconds: number;
  /** Whether a refresh token comes with every login; each use gives a new one. */
  refreshTokens: boolean;
  /** Claims that are different; undefined leaves one out. */
  claims: ((person: TestPerson) => Record<string, unknown>) | null;
  /** Groups are not sent; the tokens say that they can be asked for at `/groups`. */
  groupsOverage: boolean;
  /** Says that it reached whatever acr was asked for, having done nothing. */
  lyingAcr: boolean;
  /** With this acr asked for, the login form is shown again, and then acr and `stepUpAmr` are what was asked. */
  requireStepUpAcr: string | null;
  stepUpAmr: readonly string[];
  /** Members of the discovery document that are different; undefined leaves one out. */
  metadata: Record<string, unknown>;
  /** Requests for these paths get no answer, only a closed connection. */
  readonly brokenPaths: Set<string>;
}

export interface TestProviderOptions extends Partial<TestProviderBehaviour> {
  /** The provider's slug here, from which its redirect URI follows; default `default`. */
  readonly slug?: string;
  readonly people: readonly TestPerson[];
  /** Our own public URL; or call registerAt() when it is known. */
  readonly publicUrl?: URL;
  /** Where logout tokens go, if not to our own public URL. */
  readonly backChannelLogout?: URL;
  readonly signingAlg?: SigningAlg;
}

export type SigningAlg = 'ES256' | 'RS256' | 'PS256' | 'EdDSA';

export const clientId = 'sallyport';

export function behaviourOf(options: TestProviderOptions): TestProviderBehaviour {
  return {
    amr: ['pwd'],
    acr: null,
    authTimeOffsetSeconds: 0,
    clockSkewSeconds: 0,
    refreshTokens: false,
    claims: null,
    groupsOverage: false,
    lyingAcr: false,
    requireStepUpAcr: null,
    stepUpAmr: ['mfa', 'otp'],
    metadata: {},
    brokenPaths: new Set(),
    ...picked(options),
  };
}

/** A provider that says little: accounts by verified e-mail address, groups, no second factor. */
export function settingsOf(slug: string, issuer: string): ProviderSettings {
  return {
    name: `Provider ${slug}`,
    preset: 'generic',
    issuer,
    clientId,
    scopes: ['openid', 'email', 'profile', 'groups'],
    organization: 'acme',
    claims: { account: '{email}', name: 'name', groups: 'groups' },
    trustEmail: false,
    emailDomains: null,
    requiredClaims: {},
    groups: { prefix: '', overage: 'refuse' },
    assurance: {
      amr: { mfa: ['mfa'], otp: ['otp'], hwk: ['hwk'], swk: ['swk'], pwd: ['pwd'] },
      multiFactorAmr: [['mfa'], ['hwk']],
      multiFactorAcr: [],
      stepUp: null,
    },
    upstream: { refresh: 'when-offered' },
    maxAge: true,
  };
}

function picked(options: TestProviderOptions): Partial<TestProviderBehaviour> {
  const {
    slug: _slug,
    people: _people,
    publicUrl: _url,
    backChannelLogout: _to,
    signingAlg: _alg,
    ...rest
  } = options;
  return rest;
}

export function profileOf({
  username,
  name = username,
  email = `${username}@acme.test`,
  groups = [],
}: TestPerson) {
  return { name, email, email_verified: true, preferred_username: username, groups: [...groups] };
}

/** The claims in which the provider differs from what it would say. */
export function differingClaims(
  behaviour: TestProviderBehaviour,
  issuer: string,
  person: TestPerson,
): Record<string, unknown> {
  const elsewhere = {
    groups: undefined,
    _claim_names: { groups: 'src1' },
    _claim_sources: { src1: { endpoint: `${issuer}/groups` } },
  };
  return { ...(behaviour.groupsOverage ? elsewhere : {}), ...behaviour.claims?.(person) };
}

/** The claims of an ID token as the provider says them, made of those that it would say. */
export function spokenClaims(
  behaviour: TestProviderBehaviour,
  claims: JWTPayload,
  person: TestPerson,
  { asked, reached }: ReachedAcr,
): JWTPayload {
  const { amr, acr, authTimeOffsetSeconds: offset, clockSkewSeconds: skew, lyingAcr } = behaviour;
  const steppedUp = reached !== undefined && reached === behaviour.requireStepUpAcr;
  const authTime = claims['auth_time'];
  return {
    ...claims,
    ...profileOf(person),
    amr: steppedUp ? behaviour.stepUpAmr : (amr ?? undefined),
    acr: steppedUp ? reached : lyingAcr ? asked : (acr ?? undefined),
    auth_time: offset === null || typeof authTime !== 'number' ? undefined : authTime + offset,
    iat: (claims.iat ?? 0) + skew,
    exp: (claims.exp ?? 0) + skew,
    ...differingClaims(behaviour, claims.iss ?? '', person),
  };
}

interface ReachedAcr {
  readonly asked?: string;
  readonly reached?: string;
}

/** What the login that a token stems from was asked to reach, and what it reached. */
export function acrOf(oidc: KoaContextWithOIDC['oidc']): ReachedAcr {
  const { acr, claims } = (oidc.entities['AuthorizationCode'] ?? oidc.entities['RefreshToken'] ?? {}) as {
    acr?: string;
    claims?: { id_token?: { acr?: { values?: string[] } } };
  };
  const asked = claims?.id_token?.acr?.values?.[0];
  return { ...(asked === undefined ? {} : { asked }), ...(acr === undefined ? {} : { reached: acr }) };
}
