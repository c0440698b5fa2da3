/** From an ID token to the result of a login: when the person proved who they are, and how. Pure. */
import { acrFrom, amrFrom, assuranceFrom } from './assurance.ts';
import type { Claims } from './claim-at.ts';
import { authTimeFrom, issuedAtFrom, type LoginResult, requireOurs } from './login-result.ts';
import type { LoginState } from './login-state.ts';
import type { ProviderSettings } from './provider-settings.ts';

/** What comes from the signed token alone, and from nothing that anybody else says. */
export type LoginEvidence = Pick<
  LoginResult,
  'amr' | 'acr' | 'authTime' | 'mfa' | 'mfaMethods' | 'upstreamSid' | 'startedAt' | 'purpose'
>;

/** @throws login_rejected */
export function evidenceFrom(
  idToken: Claims,
  settings: Pick<ProviderSettings, 'clientId' | 'assurance'>,
  login: LoginState,
  now: Date,
): LoginEvidence {
  const nowSeconds = Math.floor(now.getTime() / 1000);
  requireOurs(idToken, settings.clientId);
  const issuedAt = issuedAtFrom(idToken, nowSeconds);
  const authTime = authTimeFrom(idToken, {
    nowSeconds,
    freshSinceSeconds: login.fresh ? login.startedAt : null,
    required: login.maxAgeSeconds !== null,
  });
  // A second factor whose time nobody knows is none.
  const { mfa, methods } =
    authTime === null ? { mfa: false, methods: [] } : assuranceFrom(settings.assurance, idToken);
  return {
    amr: amrFrom(idToken),
    acr: acrFrom(idToken),
    authTime: authTime ?? issuedAt,
    mfa,
    mfaMethods: methods,
    upstreamSid: sidFrom(idToken),
    startedAt: new Date(login.startedAt * 1000),
    purpose: login.purpose,
  };
}

/** OpenID Connect Back-Channel Logout 1.0 section 2.1; one that could not be stored is none. */
function sidFrom({ sid }: Claims): string | null {
  return typeof sid === 'string' && /^[\x20-\x7e]{1,255}$/.test(sid) ? sid : null;
}
