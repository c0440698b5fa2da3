import { sql } from 'kysely';
import type { AuditEvent, EventFacts } from '../audit/events.ts';
import { recordEvents } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { revokeCertificates } from '../revocation/revoke-certificates.ts';

/** A row of login_sessions that the caller has locked for update and that had not ended. */
export interface LockedRow {
  readonly id: string;
  readonly account_id: string;
  readonly organization_id: string;
  readonly grant_id: string | null;
}

export interface SessionsEnd {
  /** A short word for the log and the list, such as `revoked` or `logout`. */
  readonly reason: string;
  /** Who ended it: an account name, `provider:<slug>`, or `system`. */
  readonly by: string;
}

export interface EndedSessions {
  /** The state version that carries the ends. */
  readonly version: bigint;
  readonly sessions: number;
  readonly certificatesRevoked: number;
}

/** An insert of events takes three parameters each, of 65,535. */
const eventsAtOnce = 5_000;

/**
 * Ends sessions with all that they gave: tokens here and of the identity provider are deleted, stored certificates
 * revoked, signed or not. One state version and one event for each session.
 */
export async function endLockedSessions(
  tx: Tx,
  rows: readonly LockedRow[],
  { reason, by }: SessionsEnd,
  now: Date,
): Promise<EndedSessions> {
  const ids = rows.map(({ id }) => id);
  const grants = rows.flatMap(({ grant_id }) => (grant_id === null ? [] : [grant_id]));
  if (grants.length > 0) {
    await tx
      .deleteFrom('oauth_records')
      .where('grant_id', '=', sql<string>`any(${grants}::text[])`)
      .execute();
  }
  await tx.deleteFrom('upstream_grants').where('session_id', '=', sql<string>`any(${ids}::uuid[])`).execute();
  const { version, serials } = await revokeCertificates(tx, { sessionIds: ids }, reason, now);
  await tx
    .updateTable('login_sessions')
    .set({ ended_at: now, ended_reason: reason, ended_by: by, ended_version: version })
    .where('id', '=', sql<string>`any(${ids}::uuid[])`)
    .execute();
  const revoked = await countBySession(tx, serials);
  const events = rows.map(({ id, account_id, organization_id }): AuditEvent => {
    const certificates_revoked = revoked.get(id) ?? 0;
    const facts: EventFacts['session.ended'] = { reason, by, version: String(version), certificates_revoked };
    return {
      event: 'session.ended',
      organizationId: organization_id,
      accountId: account_id,
      sessionId: id,
      facts,
    };
  });
  for (let at = 0; at < events.length; at += eventsAtOnce) {
    await recordEvents(tx, events.slice(at, at + eventsAtOnce));
  }
  return { version, sessions: rows.length, certificatesRevoked: serials.length };
}

async function countBySession(tx: Tx, serials: readonly bigint[]): Promise<ReadonlyMap<string, number>> {
  if (serials.length === 0) return new Map();
  const rows = await tx
    .selectFrom('certificates')
    .select((row) => ['session_id', row.fn.countAll<string>().as('count')])
    .where('serial', '=', sql<string>`any(${serials.map(String)}::bigint[])`)
    .groupBy('session_id')
    .execute();
  return new Map(rows.map(({ session_id, count }) => [String(session_id), Number(count)]));
}
