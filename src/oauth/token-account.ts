/** Whose token it will be: asked by oidc-provider before it uses anything up, and when it writes a token. */
import type { FindAccount } from 'oidc-provider';
import { errors } from 'oidc-provider';
import { loadAccount } from '../accounts/account.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import { requireLiveUpstream, type UpstreamCheckParts } from '../login/upstream-check.ts';
import { endedAmong } from '../sessions/ended-sessions.ts';
import { sessionByGrant } from '../sessions/find-session.ts';
import { grantClaim } from './access-token.ts';
import { tokenExchangeGrant } from './client.ts';
import { describable } from './oauth-error.ts';

export interface AccountParts extends UpstreamCheckParts {
  readonly database: DatabaseHandle;
}

type AccountOfToken = { accountId: string; claims: () => { sub: string } };
type Token = Parameters<FindAccount>[2];

/** For a refresh, only while the identity provider knows the person too. @throws InvalidGrant, TemporarilyUnavailable */
export async function findAccount(
  parts: AccountParts,
  accountId: string,
  token: Token,
): Promise<AccountOfToken | undefined> {
  if (!(await isUsable(parts, accountId))) return undefined;
  // A token that was used before ends the session without asking anybody.
  if (token?.kind === 'RefreshToken' && token.grantId !== undefined && !isConsumed(token)) {
    await requireUpstream(parts, token.grantId);
  }
  return { accountId, claims: () => ({ sub: accountId }) };
}

function isConsumed(token: object): boolean {
  return Boolean((token as { consumed?: unknown }).consumed);
}

async function requireUpstream(parts: AccountParts, grantId: string): Promise<void> {
  const session = await sessionByGrant(parts.database.db, grantId);
  if (session === undefined) throw new errors.InvalidGrant('the grant has no session');
  try {
    await requireLiveUpstream(parts, session.sessionId);
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    const description = describable(error.message);
    if (error.status >= 500) throw unavailable(description);
    throw Object.assign(new errors.InvalidGrant(description), { error_description: description });
  }
}

function unavailable(description: string): Error {
  return Object.assign(new errors.TemporarilyUnavailable(description), { status: 503, statusCode: 503 });
}

async function isUsable({ database }: AccountParts, accountId: string): Promise<boolean> {
  const found = await loadAccount(database.db, accountId).catch((error) => {
    if (isSallyportError(error) && error.code === 'not_found') return undefined;
    throw error;
  });
  return found !== undefined && !found.facts.disabled;
}

/** The session that a token is issued in the name of, and its grant. No token is issued for one that has ended. */
export async function sessionClaims(
  { database, clock }: AccountParts,
  token: object,
): Promise<{ readonly sid: string; readonly grant?: string }> {
  const { db } = database;
  const { gty, grantId = '' } = token as { gty?: string; grantId?: string };
  const isExchanged = gty === tokenExchangeGrant;
  const sid = isExchanged ? grantId : (await sessionByGrant(db, grantId))?.sessionId;
  if (sid === undefined || (await endedAmong(db, [sid], clock())).length > 0) {
    throw new errors.InvalidGrant('the login session has ended');
  }
  return isExchanged ? { sid } : { sid, grant: grantClaim(grantId) };
}
