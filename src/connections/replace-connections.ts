/** Live SSH connections, as the companions beside the sshds report them. */

import type { Selectable } from 'kysely';
import type { ConnectionReport, EndReason } from '../api/companions.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import type { ConnectionRow } from '../database/rows.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { type Companion, companionById, notEnrolled } from '../inventory/companion.ts';
import { touchCompanion } from '../inventory/companion-contact.ts';
import { endedAmong } from '../sessions/ended-sessions.ts';

type Reported = ConnectionReport['connections'][number];

/**
 * Makes the report the companion's live connections: new ones are noted, those no longer in it have ended. Connections
 * of sessions of another organization, or under another account than the session's, are left out: a companion speaks
 * only for its own, and names nobody as somebody else.
 * @returns ids of the sessions among those reported that have ended: their connections must go. What was left out is
 * among them, just as an unknown session is, so that nobody learns which sessions others have
 * @throws token_invalid if the companion was revoked meanwhile; request_malformed
 */
export async function replaceConnections(
  tx: Tx,
  companionId: string,
  report: ConnectionReport,
  now: Date,
): Promise<string[]> {
  for (const connection of report.connections) checkStorable(connection, now);
  // Two reports of one companion come one after the other, and none after its revocation.
  await tx.selectFrom('companions').select('id').where('id', '=', companionId).forNoKeyUpdate().execute();
  const companion = await companionById(tx, companionId);
  if (companion.revokedAt !== null) throw notEnrolled();
  await touchCompanion(tx, companionId, now);
  const reported = new Map(report.connections.map((connection) => [connection.key, connection]));
  const live = await tx
    .selectFrom('connections')
    .selectAll()
    .where('companion_id', '=', companionId)
    .where('ended_at', 'is', null)
    .execute();

  const accounts = await accountsOfSessions(tx, companion, [...reported.values()]);
  const isOurs = ({ session_id, account }: Reported) => accounts.get(session_id) === account;
  const known = new Map(live.map((row) => [row.connection_key, row]));
  const ours = [...reported.values()].filter(isOurs);
  await insertConnections(
    tx,
    companion,
    ours.filter(({ key }) => !known.has(key)),
  );
  await moveConnections(tx, companion, ours, known);

  const reasons = new Map(report.ended?.map(({ key, reason }) => [key, reason]));
  const gone = live.filter(({ connection_key }) => !reported.has(connection_key));
  await endConnections(tx, companion, { gone, reasons }, now);
  const sessionIds = (connections: readonly Reported[]) => connections.map(({ session_id }) => session_id);
  const foreign = report.connections.filter((connection) => !isOurs(connection));
  const ended = await endedAmong(tx, sessionIds(report.connections));
  return [...new Set([...ended, ...sessionIds(foreign)])];
}

const dayMilliseconds = 86_400_000;

/** Serials of ours are below 2^63; a start in the future is a clock that is wrong by more than it may be. */
function checkStorable({ serial, started_at }: Reported, now: Date): void {
  if (BigInt(serial) < 2n ** 63n && started_at * 1000 < now.getTime() + dayMilliseconds) return;
  throw new SallyportError(
    'request_malformed',
    "The report names a serial or a start that no connection of ours can have. Check the machine's clock.",
  );
}

/** Those of the reported sessions that belong to the companion's organization, each with its account's name. */
async function accountsOfSessions(
  tx: Tx,
  { organizationId }: Companion,
  reported: readonly Reported[],
): Promise<ReadonlyMap<string, string>> {
  const ids = [...new Set(reported.map(({ session_id }) => session_id))];
  if (ids.length === 0) return new Map();
  const rows = await tx
    .selectFrom('login_sessions')
    .innerJoin('accounts', 'accounts.id', 'login_sessions.account_id')
    .select(['login_sessions.id', 'accounts.name'])
    .where('accounts.organization_id', '=', organizationId)
    .where('login_sessions.id', 'in', ids)
    .execute();
  return new Map(rows.map(({ id, name }) => [id, name]));
}

interface Gone {
  readonly gone: readonly Selectable<ConnectionRow>[];
  /** Why the companion ended some of them, by key. */
  readonly reasons: ReadonlyMap<string, EndReason>;
}

async function endConnections(
  tx: Tx,
  companion: Companion,
  { gone, reasons }: Gone,
  now: Date,
): Promise<void> {
  const ended = new Set(
    await endedAmong(
      tx,
      gone.map(({ session_id }) => session_id),
    ),
  );
  for (const { id, connection_key, session_id, account_name, serial, target_name } of gone) {
    const told = reasons.get(connection_key)?.replaceAll('_', ' ');
    const reason = told ?? (ended.has(session_id) ? 'session ended' : 'closed');
    await tx
      .updateTable('connections')
      .set({ ended_at: now, end_reason: reason })
      .where('id', '=', id)
      .execute();
    await recordEvent(tx, {
      event: 'connection.ended',
      organizationId: companion.organizationId,
      sessionId: session_id,
      facts: { companion: companion.name, account: account_name, serial, target: target_name, reason },
    });
  }
}

async function insertConnections(tx: Tx, companion: Companion, started: readonly Reported[]): Promise<void> {
  const rows = started.map((connection) => ({
    companion_id: companion.id,
    connection_key: connection.key,
    account_name: connection.account,
    session_id: connection.session_id,
    serial: connection.serial,
    target_name: connection.target,
    started_at: new Date(connection.started_at * 1000),
    ended_at: null,
    end_reason: null,
    way: connection.way ?? null,
    client_address: connection.client_address ?? null,
  }));
  for (let from = 0; from < rows.length; from += rowsPerStatement) {
    await tx
      .insertInto('connections')
      .values(rows.slice(from, from + rowsPerStatement))
      // Noted as gone by a companion that had lost its memory, and now found again, perhaps elsewhere.
      .onConflict((conflict) =>
        conflict.columns(['companion_id', 'connection_key']).doUpdateSet(({ ref }) => ({
          ended_at: null,
          end_reason: null,
          target_name: ref('excluded.target_name'),
          way: ref('excluded.way'),
          client_address: ref('excluded.client_address'),
        })),
      )
      .execute();
  }
  for (const connection of started) await recordStart(tx, companion, connection);
}

/** Some are known by another way or target than before: from a menu somebody went on to a target, for example. */
async function moveConnections(
  tx: Tx,
  companion: Companion,
  reported: readonly Reported[],
  known: ReadonlyMap<string, Selectable<ConnectionRow>>,
): Promise<void> {
  for (const connection of reported) {
    const { target, way = null, client_address = null } = connection;
    const row = known.get(connection.key);
    if (row === undefined || (row.target_name === target && row.way === way)) continue;
    await tx
      .updateTable('connections')
      .set({ target_name: target, way, client_address })
      .where('id', '=', row.id)
      .execute();
    await recordStart(tx, companion, connection);
  }
}

async function recordStart(tx: Tx, companion: Companion, connection: Reported): Promise<void> {
  const { account, session_id, serial, target, way = null, client_address = null } = connection;
  const facts = { companion: companion.name, account, serial, target, client_address };
  const about = { organizationId: companion.organizationId, sessionId: session_id };
  if (way === 'refusal') await recordEvent(tx, { event: 'connection.refused', ...about, facts });
  else await recordEvent(tx, { event: 'connection.started', ...about, facts: { ...facts, way } });
}

/** Postgres takes 65,535 parameters a statement. */
const rowsPerStatement = 1_000;
