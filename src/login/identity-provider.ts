/**
 * What the rest of the server asks of an identity provider (OpenID Connect). It knows nothing of what a login is for.
 */
import type { JWTPayload } from 'jose';
import type { LoginResult } from './login-result.ts';
import type { ProviderSettings } from './provider-settings.ts';

export interface LoginStart {
  /** Handed back by finishLogin; must be JSON. */
  readonly purpose: Readonly<Record<string, unknown>>;
  /** From browserSecretOf(): the reply counts only in this browser. */
  readonly browserSecret: string;
  /** Oldest login at the provider that will do, in seconds. */
  readonly maxAgeSeconds?: number;
  /** The person must prove who they are now, whatever the provider remembers. */
  readonly fresh?: boolean;
  /** What the provider is asked to reach (OpenID Connect Core section 3.1.2.1); what it reached is in the result. */
  readonly acrValues?: readonly string[];
  readonly loginHint?: string;
}

/** Who a person is at their provider now, without a login. */
export interface UpstreamProfile {
  readonly accountName: string;
  readonly displayName: string;
  readonly groups: readonly string[];
}

export interface RefreshedFor {
  /** `sub` of who it must be. */
  readonly subject: string;
  /**
   * Keeps the successor of the refresh token, where the provider rotates them: called as soon as it is there, since the
   * old one is good for nothing from then on, whatever fails after that.
   */
  readonly keep: (successor: string) => Promise<void>;
}

export interface IdentityProvider {
  readonly slug: string;
  /** For people. */
  readonly name: string;
  readonly issuer: string;
  readonly organizationSlug: string;
  readonly settings: ProviderSettings;
  /** Whether it can be asked for a second factor. */
  readonly canStepUp: boolean;
  /** Reads its metadata now. @throws login_provider_error; settings_invalid if it is the demo's */
  discover(): Promise<void>;
  /** Where to send the browser. @throws login_provider_error */
  startLogin(start: LoginStart): Promise<URL>;
  /**
   * @param callbackUrl only its query is read
   * @throws login_state_invalid, login_rejected, login_provider_error, name_refused; for all but the first
   * purposeOfFailure() tells what the login was for
   */
  finishLogin(callbackUrl: URL, browserSecret: string | undefined): Promise<LoginResult>;
  /**
   * Asks whether the person is still known there, and what they are now.
   * @throws grant_invalid only if the provider says `invalid_grant`; login_rejected, name_refused if what it says of the
   * person is no longer acceptable; login_provider_error for everything else, an outage
   */
  refresh(refreshToken: string, expected: RefreshedFor): Promise<UpstreamProfile>;
  /**
   * A JWT that the provider sent by another way than a login: signature, `iss`, `aud` (our client id), `iat`, `exp`.
   * @param typ acceptable header values, `''` for none; absent: any
   * @throws token_invalid; login_provider_error if its keys can't be had
   */
  verifyToken(jwt: string, expected: ExpectedToken): Promise<JWTPayload>;
  /**
   * Where to send a browser that signs out there too; null if the provider has no such page. It says who we are and
   * nothing of the person: an ID token in an address would stand in histories and logs (OpenID Connect RP-Initiated
   * Logout 1.0 section 2 only recommends it), so the provider may ask whether they mean it.
   */
  endSessionUrl(request: {
    readonly postLogoutRedirectUri: URL;
    readonly state?: string;
  }): Promise<URL | null>;
}

export interface ExpectedToken {
  readonly typ?: readonly string[];
  readonly maxAgeSeconds: number;
}

const failures = new WeakMap<Error, LoginResult['purpose']>();

/** Notes what a failed login was for, so that whoever asked for it can be told. Returns the error. */
export function notePurpose(error: unknown, purpose: LoginResult['purpose']): unknown {
  if (error instanceof Error) failures.set(error, purpose);
  return error;
}

/** What a login that failed was for; undefined if it was not even found. */
export function purposeOfFailure(error: unknown): LoginResult['purpose'] | undefined {
  return error instanceof Error ? failures.get(error) : undefined;
}
