/** What the identity provider gave for a session: its refresh token and its ID token, sealed. */
import type { Database, Tx } from '../database/database.ts';
import type { Sealer } from '../secrets/seal.ts';

export interface UpstreamTokens {
  readonly refreshToken: string | null;
  readonly idToken: string | null;
}

/** Takes the place of what an earlier login of the session brought; whoever refreshes that just now loses its lease. */
export async function saveUpstreamGrant(
  tx: Tx,
  sealer: Sealer,
  { sessionId, login }: { readonly sessionId: string; readonly login: UpstreamTokens },
  now: Date,
): Promise<void> {
  const columns = {
    refresh_token: sealed(sealer, 'refresh_token', login.refreshToken, sessionId),
    id_token: sealed(sealer, 'id_token', login.idToken, sessionId),
    checked_at: now,
    outage_since: null,
    lease: null,
    lease_until: null,
  };
  await tx
    .insertInto('upstream_grants')
    .values({ session_id: sessionId, ...columns })
    .onConflict((conflict) => conflict.column('session_id').doUpdateSet(columns))
    .execute();
}

/** What names a session at its provider; undefined if it came from none. */
export async function idTokenOf(
  db: Database,
  sealer: Sealer,
  sessionId: string,
): Promise<{ readonly providerSlug: string; readonly idToken: string | null } | undefined> {
  const row = await db
    .selectFrom('login_sessions')
    .leftJoin('upstream_grants', 'upstream_grants.session_id', 'login_sessions.id')
    .select(['login_sessions.provider_slug', 'upstream_grants.id_token'])
    .where('login_sessions.id', '=', sessionId)
    .executeTakeFirst();
  if (row === undefined || row.provider_slug === null) return undefined;
  return { providerSlug: row.provider_slug, idToken: opened(sealer, 'id_token', row.id_token, sessionId) };
}

type TokenColumn = 'refresh_token' | 'id_token';

export function sealed(
  sealer: Sealer,
  column: TokenColumn,
  token: string | null,
  sessionId: string,
): Buffer | null {
  return token === null ? null : sealer.seal(token, context(column, sessionId));
}

export function opened(
  sealer: Sealer,
  column: TokenColumn,
  stored: Buffer | null,
  sessionId: string,
): string | null {
  return stored === null ? null : sealer.open(stored, context(column, sessionId));
}

function context(column: TokenColumn, sessionId: string): string {
  return `upstream_grants.${column}/${sessionId}`;
}
