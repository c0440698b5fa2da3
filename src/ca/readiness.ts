/** Which server processes can sign with which CA key, by their own report. */
import type { Database } from '../database/database.ts';

export interface ReadinessReport {
  readonly caKeyId: string;
  /** Why the process can't sign with the key; null if it can. */
  readonly problem: string | null;
}

/** Replaces what this process has reported before. */
export async function reportReadiness(
  db: Database,
  replica: string,
  reports: readonly ReadinessReport[],
  now: Date,
): Promise<void> {
  if (reports.length === 0) return;
  await db
    .insertInto('ca_key_readiness')
    .values(
      reports.map(({ caKeyId, problem }) => ({ replica, ca_key_id: caKeyId, reported_at: now, problem })),
    )
    .onConflict((conflict) =>
      conflict.columns(['replica', 'ca_key_id']).doUpdateSet((excluded) => ({
        reported_at: excluded.ref('excluded.reported_at'),
        problem: excluded.ref('excluded.problem'),
      })),
    )
    .execute();
}

export interface Readiness extends ReadinessReport {
  readonly replica: string;
  readonly reportedAt: Date;
}

/** The last report of every process on every key. */
export async function readReadiness(db: Database): Promise<Readiness[]> {
  const rows = await db.selectFrom('ca_key_readiness').selectAll().orderBy('replica').execute();
  return rows.map((row) => ({
    replica: row.replica,
    caKeyId: row.ca_key_id,
    reportedAt: row.reported_at,
    problem: row.problem,
  }));
}

/** Forgets processes that have not reported since `before`. */
export async function pruneReadiness(db: Database, before: Date): Promise<void> {
  await db.deleteFrom('ca_key_readiness').where('reported_at', '<', before).execute();
}

/** A process that stops is waited for by nobody. */
export async function forgetReadiness(db: Database, replica: string): Promise<void> {
  await db.deleteFrom('ca_key_readiness').where('replica', '=', replica).execute();
}
