/** Sessions as people see them in lists. The type is the API's, which this folder may not import; the two must agree. */
import { sql } from 'kysely';
import type { Database } from '../database/database.ts';
import { isUuid } from '../database/uuid.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { MfaSource } from '../policy/facts.ts';
import { idleEndOf, unexpiredAt } from './liveness.ts';
import { type SessionKind, unixSeconds } from './session.ts';

/** api/sessions.ts `sessionDocument`. Times are unix seconds. */
export interface SessionDocument {
  id: string;
  account: string;
  kind: SessionKind;
  /** The identity provider; null where none vouched. */
  provider: string | null;
  mfa: boolean;
  mfa_by: MfaSource | null;
  mfa_time: number | null;
  amr: string[];
  auth_time: number;
  created_at: number;
  last_used_at: number;
  expires_at: number;
  /** When it is over unless it is used before; null: it has no such limit. */
  idle_ends_at: number | null;
  ended_at: number | null;
  ended_reason: string | null;
  client_address: string | null;
  client_name: string | null;
  /** The API token or CI rule that gave it. */
  credential_id: string | null;
  /** Live SSH connections, as companions report them. */
  connections: number;
  /** Certificates within their time that are not revoked. */
  certificates: number;
}

const endedShownMilliseconds = 24 * 3_600_000;
const listedAtMost = 1_000;

/**
 * The live sessions, the newest first, then those that ended within the last day. One whose time is over is still there
 * while connections of it live: nothing but ending the session ends them.
 */
export async function listSessions(
  db: Database,
  scope: { readonly organizationId: string } | { readonly accountId: string },
  now: Date,
): Promise<SessionDocument[]> {
  const query = documentQuery(db, now);
  const scoped =
    'accountId' in scope
      ? query.where('login_sessions.account_id', '=', scope.accountId)
      : query.where('accounts.organization_id', '=', scope.organizationId);
  const rows = await scoped
    .where((where) => where.or([where(unexpiredAt(now), '=', true), where(liveConnections, '>', 0)]))
    .where((where) =>
      where.or([
        where('ended_at', 'is', null),
        where('ended_at', '>', new Date(now.getTime() - endedShownMilliseconds)),
      ]),
    )
    .orderBy((order) => order('ended_at', 'is not', null))
    .orderBy('login_sessions.created_at', 'desc')
    .orderBy('login_sessions.id')
    .limit(listedAtMost)
    .execute();
  return rows.map(documentOf);
}

/** One session, live or not. @throws not_found */
export async function sessionDocument(db: Database, sessionId: string, now: Date): Promise<SessionDocument> {
  const row = isUuid(sessionId)
    ? await documentQuery(db, now).where('login_sessions.id', '=', sessionId).executeTakeFirst()
    : undefined;
  if (row === undefined) throw new SallyportError('not_found', 'There is no such session.');
  return documentOf(row);
}

/** connections.session_id is text: it is what a companion read in a certificate. */
const liveConnections = sql<number>`(
  select count(*)::int from connections
  where connections.session_id = login_sessions.id::text and connections.ended_at is null
)`;

type DocumentRow = Awaited<ReturnType<ReturnType<typeof documentQuery>['execute']>>[number];

function documentQuery(db: Database, now: Date) {
  return db
    .selectFrom('login_sessions')
    .innerJoin('accounts', 'accounts.id', 'login_sessions.account_id')
    .select([
      'login_sessions.id',
      'accounts.name as account',
      'login_sessions.kind',
      'login_sessions.provider_slug as provider',
      'login_sessions.mfa',
      'login_sessions.mfa_by',
      'login_sessions.mfa_time',
      'login_sessions.amr',
      'login_sessions.auth_time',
      'login_sessions.created_at',
      'login_sessions.last_used_at',
      'login_sessions.expires_at',
      'login_sessions.idle_seconds',
      'login_sessions.ended_at',
      'login_sessions.ended_reason',
      'login_sessions.client_address',
      'login_sessions.client_name',
      'login_sessions.credential_id',
      liveConnections.as('connections'),
      sql<number>`(
        select count(*)::int from certificates
        where certificates.session_id = login_sessions.id and certificates.valid_before > ${now}
          and not exists (select from revoked_serials where revoked_serials.serial = certificates.serial)
      )`.as('certificates'),
    ]);
}

function documentOf({ idle_seconds, ...row }: DocumentRow): SessionDocument {
  const idleEnd = idleEndOf({ ...row, idle_seconds });
  return {
    ...row,
    mfa_time: row.mfa_time === null ? null : unixSeconds(row.mfa_time),
    auth_time: unixSeconds(row.auth_time),
    created_at: unixSeconds(row.created_at),
    last_used_at: unixSeconds(row.last_used_at),
    expires_at: unixSeconds(row.expires_at),
    idle_ends_at: idleEnd === null ? null : unixSeconds(idleEnd),
    ended_at: row.ended_at === null ? null : unixSeconds(row.ended_at),
  };
}
