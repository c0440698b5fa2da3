/**
 * OpenID Connect Front-Channel Logout 1.0: a page of the identity provider's loads ours in a frame. Any page can send
 * that request, so it ends the browser session and nothing else, and only of somebody who knows the session's name there.
 */
import type { Tx } from '../database/database.ts';
import type { EndedSessions } from '../sessions/end-locked-sessions.ts';
import { endSessionsOfUpstream } from '../sessions/end-sessions.ts';
import { invalid } from './back-channel-logout.ts';

export interface FrontChannelLogout {
  readonly iss: string;
  readonly sid: string;
}

/**
 * Leaves no tombstone: a stranger would keep people from logging in by it.
 * @throws token_invalid if it names another issuer (section 2: both must be those of the ID token)
 */
export async function logOutBrowser(
  tx: Tx,
  { iss, sid }: FrontChannelLogout,
  provider: { readonly slug: string; readonly issuer: string; readonly organizationSlug: string },
  now: Date,
): Promise<EndedSessions> {
  if (iss !== provider.issuer) throw invalid('its issuer is another');
  const within = { organization: provider.organizationSlug };
  const end = { within, reason: 'provider_logout', by: `provider:${provider.slug}` };
  return await endSessionsOfUpstream(tx, { issuer: iss, subject: null, sid, kind: 'browser', ...end }, now);
}
