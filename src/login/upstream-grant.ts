/** What the identity provider gave for a session: its refresh token, sealed. */
import type { Tx } from '../database/database.ts';
import type { Sealer } from '../secrets/seal.ts';

/** Takes the place of what an earlier login of the session brought; whoever refreshes that just now loses its lease. */
export async function saveUpstreamGrant(
  tx: Tx,
  sealer: Sealer,
  {
    sessionId,
    login,
  }: { readonly sessionId: string; readonly login: { readonly refreshToken: string | null } },
  now: Date,
): Promise<void> {
  const columns = {
    refresh_token: login.refreshToken === null ? null : sealed(sealer, login.refreshToken, sessionId),
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

export function sealed(sealer: Sealer, token: string, sessionId: string): Buffer {
  return sealer.seal(token, context(sessionId));
}

export function opened(sealer: Sealer, stored: Buffer, sessionId: string): string {
  return sealer.open(stored, context(sessionId));
}

function context(sessionId: string): string {
  return `upstream_grants.refresh_token/${sessionId}`;
}
