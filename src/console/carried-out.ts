/** What became of an ended session at each machine, as far as the machines have told. */
import type { RevocationReply } from '../api/sessions.ts';
import type { Tx } from '../database/database.ts';
import { companionsOfOrganization } from '../inventory/companion.ts';

/** Null while the session lives. */
export async function carriedOut(
  tx: Tx,
  { sessionId, organizationId }: { sessionId: string; organizationId: string },
): Promise<RevocationReply['companions'] | null> {
  const session = await tx
    .selectFrom('login_sessions')
    .select(['ended_at', 'ended_version'])
    .where('id', '=', sessionId)
    .executeTakeFirstOrThrow();
  const { ended_at, ended_version } = session;
  if (ended_at === null || ended_version === null) return null;
  const version = BigInt(ended_version);
  const cut = await tx
    .selectFrom('connections')
    .select((row) => ['companion_id', row.fn.countAll<string>().as('count')])
    .where('session_id', '=', sessionId)
    .where('connections.ended_at', '>=', ended_at)
    .groupBy('companion_id')
    .execute();
  const companions = await companionsOfOrganization(tx, organizationId);
  return companions
    .filter(({ enrolledAt }) => enrolledAt !== null)
    .map(({ id, name, kind, acknowledged }) => ({
      name,
      kind,
      acknowledged: acknowledged !== null && acknowledged.version >= version,
      connections_ended: Number(cut.find(({ companion_id }) => companion_id === id)?.count ?? 0),
    }));
}
