import type { Database, Tx } from './database.ts';

export interface TransactionOptions {
  /** How often to run `work` again after a deadlock or a serialization failure. `work` must be repeatable. */
  readonly retries?: number;
}

/** deadlock_detected and serialization_failure (PostgreSQL manual, appendix A). */
const repeatable = new Set(['40P01', '40001']);

/**
 * Runs `work` in a read committed transaction: committed if it returns, rolled back if it throws.
 * @throws database_unavailable if the database is away; after a lost connection during commit it may have committed
 */
export async function inTransaction<T>(
  db: Database,
  work: (tx: Tx) => Promise<T>,
  { retries = 0 }: TransactionOptions = {},
): Promise<T> {
  for (let left = retries; ; left -= 1) {
    try {
      return await db.transaction().setIsolationLevel('read committed').execute(work);
    } catch (error) {
      if (left <= 0 || !repeatable.has(String((error as { code?: unknown }).code))) throw error;
    }
  }
}

/** Runs `work` on one unchanging view of the whole database, for documents that are read from many tables. Read only. */
export async function inSnapshot<T>(db: Database, work: (tx: Tx) => Promise<T>): Promise<T> {
  return await db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only').execute(work);
}

/**
 * Runs `work` and takes back whatever it wrote: what would come of it is known, and nothing has happened. What it locks
 * is locked until then.
 */
export async function inRehearsal<T>(db: Database, work: (tx: Tx) => Promise<T>): Promise<T> {
  const done = new Error('rehearsed');
  let outcome: { readonly value: T } | undefined;
  try {
    await inTransaction(db, async (tx) => {
      outcome = { value: await work(tx) };
      throw done;
    });
  } catch (error) {
    if (error !== done || outcome === undefined) throw error;
  }
  if (outcome === undefined) throw new Error('a rehearsal was neither refused nor done');
  return outcome.value;
}
