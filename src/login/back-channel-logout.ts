/**
 * OpenID Connect Back-Channel Logout 1.0: the identity provider tells us itself that somebody has logged out there.
 * Nothing but its signature speaks for it, so everything that section 2.6 names is checked.
 */
import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { useOnce } from '../limits/use-once.ts';
import type { EndedSessions } from '../sessions/end-locked-sessions.ts';
import { endSessionsOfUpstream } from '../sessions/end-sessions.ts';
import type { IdentityProvider } from './identity-provider.ts';
import { leaveTombstone, type UpstreamParty } from './logout-tombstones.ts';

export interface LogoutToken extends Omit<UpstreamParty, 'organization'> {
  readonly jti: string;
}

const logoutEvent = 'http://schemas.openid.net/event/backchannel-logout';
/** Of `iat`. Providers give it two minutes (section 2.4 advises that); a retry may come later. */
export const oldestTokenSeconds = 10 * 60;
/** Longer than a token is acceptable, whatever clocks say. */
const rememberedMilliseconds = 2 * oldestTokenSeconds * 1000;

/**
 * Signature, issuer, audience and times by the provider's own rules, then what makes it a logout token.
 * @throws token_invalid, saying what is wrong with it; login_provider_error if the provider's keys can't be had
 */
export async function readLogoutToken(
  provider: Pick<IdentityProvider, 'issuer' | 'verifyToken'>,
  jwt: string,
): Promise<LogoutToken> {
  // Absent and `jwt` too: section 2.4 only recommends `logout+jwt`. The event and the missing nonce tell it from others.
  const claims = await provider.verifyToken(jwt, {
    typ: ['logout+jwt', 'jwt', ''],
    maxAgeSeconds: oldestTokenSeconds,
  });
  const { jti, events } = claims;
  // Section 2.4: a nonce would make it an ID token.
  if ('nonce' in claims) throw invalid('it holds a nonce, which a logout token must not');
  if (claims.exp === undefined || claims.iat === undefined) throw invalid('it lacks iat or exp');
  if (!isIdentifier(jti)) throw invalid('it has no jti');
  if (!isObject(events) || !isObject(events[logoutEvent])) throw invalid(`its events lack ${logoutEvent}`);
  const [subject, sid] = [claims['sub'], claims['sid']];
  for (const [name, value] of Object.entries({ sub: subject, sid })) {
    if (value !== undefined && !isIdentifier(value)) throw invalid(`its ${name} is not acceptable`);
  }
  if (subject === undefined && sid === undefined) throw invalid('it names neither sub nor sid');
  return {
    // verifyToken() has compared it.
    issuer: claims.iss ?? provider.issuer,
    subject: (subject as string | undefined) ?? null,
    sid: (sid as string | undefined) ?? null,
    jti,
  };
}

/**
 * Ends what the token is about: sessions of `sally` and of browsers, in the caller's transaction. A token counts once.
 * Undefined if no session ever was of this session or person there: the login may not have committed yet, so the
 * tombstone that stops it must be committed all the same.
 * @throws token_invalid if it was used before
 */
export async function logOutUpstream(
  tx: Tx,
  { jti, ...named }: LogoutToken,
  { slug, organizationSlug }: Pick<IdentityProvider, 'slug' | 'organizationSlug'>,
  now: Date,
): Promise<EndedSessions | undefined> {
  const expires = new Date(now.getTime() + rememberedMilliseconds);
  const party = { organization: organizationSlug, ...named };
  const once = { scope: `logout token of ${slug}`, identifier: jti };
  if (!(await useOnce(tx, once, expires))) throw invalid('it was used before');
  await leaveTombstone(tx, party, now);
  const ended = await endSessionsOfUpstream(
    tx,
    {
      ...named,
      within: { organization: organizationSlug },
      reason: 'provider_logout',
      by: `provider:${slug}`,
    },
    now,
  );
  const facts = { provider: slug, what: 'logout', subject: party.subject, sessions_ended: ended.sessions };
  await recordEvent(tx, { event: 'provider.told', facts });
  return ended.sessions > 0 || (await wasEverHere(tx, party)) ? ended : undefined;
}

async function wasEverHere(tx: Tx, { organization, issuer, subject, sid }: UpstreamParty): Promise<boolean> {
  let query = tx
    .selectFrom('login_sessions')
    .innerJoin('accounts', 'accounts.id', 'login_sessions.account_id')
    .innerJoin('organizations', 'organizations.id', 'accounts.organization_id')
    .select('login_sessions.id')
    .where('organizations.slug', '=', organization)
    .where('issuer', '=', issuer);
  if (subject !== null) query = query.where('subject', '=', subject);
  if (sid !== null) query = query.where('upstream_sid', '=', sid);
  return (await query.limit(1).executeTakeFirst()) !== undefined;
}

export function invalid(why: string): SallyportError {
  return new SallyportError('token_invalid', `The token is not acceptable: ${why}.`);
}

export function isIdentifier(value: unknown): value is string {
  return typeof value === 'string' && /^[\x20-\x7e]{1,255}$/.test(value);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
