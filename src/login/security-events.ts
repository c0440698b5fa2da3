/**
 * Security events that an identity provider pushes (RFC 8935): signed tokens (RFC 8417) in the words of CAEP, RISC and the
 * Shared Signals Framework. Those that end something here are acted on; others are taken and change nothing.
 */
import { SallyportError } from '../errors/sallyport-error.ts';
import { isIdentifier, isObject } from './back-channel-logout.ts';
import type { IdentityProvider } from './identity-provider.ts';

export interface SecurityEventToken {
  readonly issuer: string;
  readonly jti: string;
  readonly acts: readonly SecurityAct[];
}

/** What is to be done for one event. */
export type SecurityAct =
  | { readonly what: 'session-revoked' | 'account-disabled' | 'account-purged'; readonly party: EventParty }
  | { readonly what: 'verification'; readonly state: string | null };

/** A person at the provider, or a session of theirs. */
export interface EventParty {
  readonly subject: string | null;
  readonly sid: string | null;
}

const caep = 'https://schemas.openid.net/secevent/caep/event-type/';
const risc = 'https://schemas.openid.net/secevent/risc/event-type/';
const verification = 'https://schemas.openid.net/secevent/ssf/event-type/verification';
const acting: Readonly<Record<string, 'session-revoked' | 'account-disabled' | 'account-purged'>> = {
  [`${caep}session-revoked`]: 'session-revoked',
  [`${risc}sessions-revoked`]: 'session-revoked',
  [`${risc}account-disabled`]: 'account-disabled',
  [`${risc}account-purged`]: 'account-purged',
};

/** Transmitters try again for a day or so; `iat` is when the event was told first. */
export const oldestEventSeconds = 2 * 86_400;
const eventsAtMost = 20;

/**
 * @throws token_invalid; login_provider_error if the provider's keys can't be had
 */
export async function readSecurityEvents(
  provider: Pick<IdentityProvider, 'issuer' | 'verifyToken'>,
  jwt: string,
): Promise<SecurityEventToken> {
  // RFC 8417 section 2.3: the type keeps other tokens of the same issuer from being taken for events.
  const claims = await provider.verifyToken(jwt, {
    typ: ['secevent+jwt'],
    maxAgeSeconds: oldestEventSeconds,
  });
  const { jti, events } = claims;
  if (!isIdentifier(jti)) throw refused('it has no jti');
  if (!isObject(events)) throw refused('it has no events');
  const entries = Object.entries(events);
  if (entries.length === 0 || entries.length > eventsAtMost) {
    throw refused(`it has not 1 to ${eventsAtMost} events`);
  }
  const issuer = claims.iss ?? provider.issuer;
  const acts = entries.flatMap(([type, event]) => actOf(type, event, claims, issuer) ?? []);
  return { issuer, jti, acts };
}

function actOf(
  type: string,
  event: unknown,
  claims: Readonly<Record<string, unknown>>,
  issuer: string,
): SecurityAct | undefined {
  if (!isObject(event)) throw refused(`the event ${type} is no object`);
  if (type === verification) {
    const { state = null } = event;
    if (state !== null && !isIdentifier(state)) throw refused('the state is not acceptable');
    return { what: 'verification', state };
  }
  const what = acting[type];
  if (what === undefined) return undefined;
  // SSF 1.0 has the subject beside the events; drafts had it in the event.
  const subject = claims['sub_id'] ?? event['subject'];
  return { what, party: partyOf(subject, issuer) };
}

/**
 * Who is meant (RFC 9493). Only names that the issuer gives itself count: an e-mail address or a telephone number may have
 * become somebody else's. A complex subject (SSF section 2) names the person and the session.
 */
function partyOf(subject: unknown, issuer: string): EventParty {
  if (!isObject(subject)) throw refused('it has no subject');
  if (subject['format'] === undefined || subject['format'] === 'complex') {
    const { user, session } = subject;
    const person = user === undefined ? null : subjectOf(user, issuer);
    const sid = session === undefined ? null : sessionOf(session, issuer);
    if (person === null && sid === null) throw refused('its subject names neither a user nor a session');
    return { subject: person, sid };
  }
  return { subject: subjectOf(subject, issuer), sid: null };
}

function subjectOf(subject: unknown, issuer: string): string {
  const { format, iss, sub } = isObject(subject) ? subject : {};
  if (format !== 'iss_sub') throw refused('its subject is not in the format iss_sub');
  if (iss !== issuer) throw refused('its subject is of another issuer');
  if (!isIdentifier(sub)) throw refused('its subject has no sub');
  return sub;
}

/** `sid` of the ID token: opaque, or as iss_sub whose `sub` it is. */
function sessionOf(session: unknown, issuer: string): string {
  const { format, id, iss, sub } = isObject(session) ? session : {};
  if (format === 'opaque' && isIdentifier(id)) return id;
  if (format === 'iss_sub' && iss === issuer && isIdentifier(sub)) return sub;
  throw refused('its session is neither opaque nor of this issuer');
}

function refused(why: string): SallyportError {
  return new SallyportError('token_invalid', `The event is not acceptable: ${why}.`);
}
