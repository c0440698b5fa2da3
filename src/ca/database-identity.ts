/**
 * Whether the database is still the one that Sallyport last worked with. A restored backup and a standby that lagged
 * have forgotten revocations and serials, so what is new must be noticed before anything is issued from it:
 *
 * - the system identifier is another in another cluster (initdb, pg_upgrade, logical replication);
 * - the timeline is another after a promotion and after a point-in-time recovery;
 * - the database's oid is another in a copy within the cluster;
 * - a row that was dumped and restored was not written by the transaction it names, even in the same database;
 * - the postmaster's start is another after each start, which is the moment for a closer look.
 *
 * A disk snapshot that is put back leaves none of these traces but the last. Then companions are the witnesses: one that
 * has a version that this database never gave is noted in its row (inventory/companion-contact.ts).
 */
import { type RawBuilder, sql } from 'kysely';
import type { Database } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';

/** Where the database is. */
export interface DatabaseIdentity {
  /** Decimal text of a 64-bit number. */
  readonly systemIdentifier: string;
  readonly timeline: number;
  readonly databaseOid: number;
}

/** What this database can't have in its own history. */
export type Change =
  | { readonly kind: 'other_cluster' | 'other_timeline' | 'other_database' | 'copied_rows' }
  /** A machine has a state that this database never gave. */
  | { readonly kind: 'companion_ahead'; readonly companion: string; readonly version: bigint };

export interface Standing {
  readonly present: DatabaseIdentity;
  /** Undefined before the first start. */
  readonly accepted: (DatabaseIdentity & { readonly acceptedAt: Date }) | undefined;
  /** Empty: it is the database that was accepted. */
  readonly changes: readonly Change[];
  /** Postgres was started since. */
  readonly restarted: boolean;
  readonly serialOffsetSeconds: bigint;
}

interface StandingRow {
  readonly system_identifier: string;
  /** null on a standby, which can't write and so issues nothing. */
  readonly timeline: string | null;
  readonly database_oid: string;
  readonly accepted_system_identifier: string | null;
  readonly accepted_timeline: string;
  readonly accepted_database_oid: string;
  readonly accepted_at: Date;
  readonly serial_offset_seconds: string | null;
  readonly written_here: boolean;
  readonly restarted: boolean;
  readonly ahead: { readonly name: string; readonly version: string } | null;
}

/** A WAL file's name begins with the timeline, in 8 hexadecimal digits; of a standby's there is none being written. */
const timeline = sql`case when not pg_is_in_recovery()
  then ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint end`;

const databaseOid = sql`(select oid from pg_database where datname = current_database())::bigint`;

const companionsAhead = sql`companions where ahead_version is not null and revoked_at is null`;

/**
 * True if nothing has changed and Postgres was not started since: the question that is asked for every certificate, at a
 * fraction of what the whole standing costs. Cluster and timeline are not in it: they can't change under a Postgres that
 * has written its own start into the row.
 */
export const isAcceptedAndRunning: RawBuilder<boolean> = sql`(
  select accepted.xmin = accepted.written_by::xid
    and accepted.postmaster_started_at = pg_postmaster_start_time()
    and accepted.database_oid = ${databaseOid}
    and not exists (select from ${companionsAhead})
  from database_identity as accepted
)`;

/** Compared in SQL where JavaScript would lose digits: a postmaster's start has microseconds. */
const standing = sql<StandingRow>`
  select
  (pg_control_system()).system_identifier,
  ${timeline} as timeline,
  ${databaseOid} as database_oid,
  accepted.system_identifier as accepted_system_identifier,
  accepted.timeline as accepted_timeline,
  accepted.database_oid as accepted_database_oid,
  accepted.accepted_at,
  accepted.serial_offset_seconds,
  accepted.xmin = accepted.written_by::xid as written_here,
  accepted.postmaster_started_at <> pg_postmaster_start_time() as restarted,
  (
    select jsonb_build_object('name', name, 'version', ahead_version::text)
    from ${companionsAhead} order by name limit 1
  ) as ahead
  from (values (true)) as present (id) left join database_identity as accepted using (id)`;

/** @throws database_unavailable on a standby; settings_invalid if the role may not ask */
export async function readStanding(db: Database): Promise<Standing> {
  const { rows } = await standing.execute(db).catch((error) => {
    throw mayNotAsk(error) ?? error;
  });
  return standingOf(rows[0]);
}

function standingOf(row: StandingRow | undefined): Standing {
  if (row === undefined || row.timeline === null) {
    throw new SallyportError(
      'database_unavailable',
      'The database is a standby, which takes no changes. Try again in a moment. ' +
        'If you run this server: promote it, or point DATABASE_URL at the primary.',
    );
  }
  const present: DatabaseIdentity = {
    systemIdentifier: row.system_identifier,
    timeline: Number(row.timeline),
    databaseOid: Number(row.database_oid),
  };
  const accepted =
    row.accepted_system_identifier === null
      ? undefined
      : {
          systemIdentifier: row.accepted_system_identifier,
          timeline: Number(row.accepted_timeline),
          databaseOid: Number(row.accepted_database_oid),
          acceptedAt: row.accepted_at,
        };
  return {
    present,
    accepted,
    changes: [...(accepted ? identityChanges(accepted, present, row.written_here) : []), ...aheadOf(row)],
    restarted: accepted !== undefined && row.restarted,
    serialOffsetSeconds: BigInt(row.serial_offset_seconds ?? 0),
  };
}

function identityChanges(
  accepted: DatabaseIdentity,
  present: DatabaseIdentity,
  writtenHere: boolean,
): Change[] {
  // The first that differs says what happened; the ones after it follow from it.
  if (accepted.systemIdentifier !== present.systemIdentifier) return [{ kind: 'other_cluster' }];
  if (accepted.timeline !== present.timeline) return [{ kind: 'other_timeline' }];
  if (accepted.databaseOid !== present.databaseOid) return [{ kind: 'other_database' }];
  return writtenHere ? [] : [{ kind: 'copied_rows' }];
}

function aheadOf({ ahead }: StandingRow): Change[] {
  if (ahead === null) return [];
  return [{ kind: 'companion_ahead', companion: ahead.name, version: BigInt(ahead.version) }];
}

const sentences: Readonly<Record<Exclude<Change['kind'], 'companion_ahead'>, string>> = {
  other_cluster: 'it is in another Postgres cluster than before',
  other_timeline:
    'Postgres is on another timeline than before, as after a failover or a point-in-time recovery',
  other_database: 'it is a copy of the database that was used before',
  copied_rows: 'its rows were restored from a dump',
};

/** What happened, as the rest of a sentence that began with the database. */
export function changeSentence(change: Change): string {
  if (change.kind !== 'companion_ahead') return sentences[change.kind];
  return `the machine ${change.companion} has state ${change.version}, which this database never gave`;
}

/** SQLSTATE insufficient_privilege, undefined_function, feature_not_supported (PostgreSQL manual, appendix A). */
const notPermitted = '42501';
const notThere = ['42883', '0A000'];

/** Without these functions a restored backup would go unnoticed: refused at the start, and not later. */
function mayNotAsk(error: unknown): SallyportError | undefined {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (code === notPermitted) {
    return new SallyportError(
      'settings_invalid',
      'The database role may not ask which Postgres this is, so a restored backup would go unnoticed. ' +
        'Run as its superuser: grant execute on function pg_control_system(), pg_is_in_recovery(), ' +
        'pg_current_wal_insert_lsn(), pg_walfile_name(pg_lsn), pg_postmaster_start_time() to <the role in DATABASE_URL>;',
      { detail: `${message}`, cause: error },
    );
  }
  if (typeof code !== 'string' || !notThere.includes(code)) return undefined;
  return new SallyportError(
    'settings_invalid',
    "This database can't say which Postgres it is, so a restored backup would go unnoticed. " +
      'Sallyport needs PostgreSQL 15 or newer.',
    { detail: `${message}`, cause: error },
  );
}
