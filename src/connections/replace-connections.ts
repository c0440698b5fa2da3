/** Live SSH connections, as the companions beside the sshds report them. */

import type { ConnectionReport } from '../api/companions.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { type Companion, companionById } from '../inventory/companion.ts';
import { touchCompanion } from '../inventory/companion-contact.ts';
import { endedAmong } from '../sessions/ended-sessions.ts';

type Reported = ConnectionReport['connections'][number];

/**
 * Makes the report the companion's live connections: new ones are noted, those no longer in it have ended. Connections
 * of sessions of another organization are left out; a companion speaks only for its own.
 * @returns ids of the sessions among those reported that have ended: their connections must go
 */
export async function replaceConnections(
  tx: Tx,
  companionId: string,
  report: ConnectionReport,
  now: Date,
): Promise<string[]> {
  const companion = await companionById(tx, companionId);
  // Two reports of one companion come one after the other.
  await tx.selectFrom('companions').select('id').where('id', '=', companionId).forNoKeyUpdate().execute();
  await touchCompanion(tx, companionId, now);
  const reported = new Map(report.connections.map((connection) => [connection.key, connection]));
  const live = await tx
    .selectFrom('connections')
    .selectAll()
    .where('companion_id', '=', companionId)
    .where('ended_at', 'is', null)
    .execute();

  const sessions = await sessionsOf(tx, companion, [...reported.values()]);
  const known = new Set(live.map(({ connection_key }) => connection_key));
  const started = [...reported.values()].filter(
    ({ key, session_id }) => !known.has(key) && sessions.has(session_id),
  );
  await insertConnections(tx, companion, started);

  const gone = live.filter(({ connection_key }) => !reported.has(connection_key));
  const ended = new Set(
    await endedAmong(tx, [...new Set([...reported.values()].map((one) => one.session_id))]),
  );
  if (gone.length > 0) {
    const endedSessions = new Set(
      await endedAmong(tx, [...new Set(gone.map(({ session_id }) => session_id))]),
    );
    for (const row of gone) {
      const reason = endedSessions.has(row.session_id) ? 'session ended' : 'closed';
      await tx
        .updateTable('connections')
        .set({ ended_at: now, end_reason: reason })
        .where('id', '=', row.id)
        .execute();
      await recordEvent(tx, {
        event: 'connection.ended',
        organizationId: companion.organizationId,
        sessionId: row.session_id,
        facts: {
          companion: companion.name,
          account: row.account_name,
          serial: row.serial,
          target: row.target_name,
          reason,
        },
      });
    }
  }
  return [...ended];
}

/** Which of the reported sessions belong to the companion's organization. */
async function sessionsOf(
  tx: Tx,
  { organizationId }: Companion,
  reported: readonly Reported[],
): Promise<ReadonlySet<string>> {
  const ids = [...new Set(reported.map(({ session_id }) => session_id))];
  if (ids.length === 0) return new Set();
  const rows = await tx
    .selectFrom('login_sessions')
    .innerJoin('accounts', 'accounts.id', 'login_sessions.account_id')
    .select('login_sessions.id')
    .where('accounts.organization_id', '=', organizationId)
    .where('login_sessions.id', 'in', ids)
    .execute();
  return new Set(rows.map(({ id }) => id));
}

async function insertConnections(tx: Tx, companion: Companion, started: readonly Reported[]): Promise<void> {
  for (const connection of started) {
    const { key, account, session_id, serial, target, started_at } = connection;
    await tx
      .insertInto('connections')
      .values({
        companion_id: companion.id,
        connection_key: key,
        account_name: account,
        session_id,
        serial,
        target_name: target,
        started_at: new Date(started_at * 1000),
        ended_at: null,
        end_reason: null,
      })
      // Reported as gone once by a companion that had lost its memory, and now found again.
      .onConflict((conflict) =>
        conflict
          .columns(['companion_id', 'connection_key'])
          .doUpdateSet({ ended_at: null, end_reason: null }),
      )
      .execute();
    await recordEvent(tx, {
      event: 'connection.started',
      organizationId: companion.organizationId,
      sessionId: session_id,
      facts: { companion: companion.name, account, serial, target },
    });
  }
}
