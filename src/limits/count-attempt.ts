/**
 * Rate limits that hold over all server processes: counters in the database, in windows of fixed length. Counting and
 * reading is one statement, so that attempts at the same moment are all counted.
 */
import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { Database } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';

export interface Limit {
  /** What is counted, such as `device-code`. */
  readonly bucket: string;
  readonly allowed: number;
  readonly windowSeconds: number;
}

export interface Attempt {
  /** How many there were in this window, this one among them. */
  readonly count: number;
  readonly retryAfterSeconds: number;
}

/** @param key whose attempt it is: an address, an account; only its digest is stored */
export async function countAttempt(
  db: Database,
  { bucket, windowSeconds }: Limit,
  key: string,
  now: Date,
): Promise<Attempt> {
  const windowMilliseconds = windowSeconds * 1000;
  const start = new Date(Math.floor(now.getTime() / windowMilliseconds) * windowMilliseconds);
  const end = new Date(start.getTime() + windowMilliseconds);
  const { count } = await db
    .insertInto('attempts')
    .values({
      bucket,
      key_hash: createHash('sha256').update(key, 'utf8').digest(),
      window_start: start,
      count: 1,
      expires_at: end,
    })
    .onConflict((conflict) =>
      conflict
        .columns(['bucket', 'key_hash', 'window_start'])
        .doUpdateSet({ count: sql<number>`attempts.count + 1` }),
    )
    .returning('count')
    .executeTakeFirstOrThrow();
  return { count, retryAfterSeconds: Math.max(1, Math.ceil((end.getTime() - now.getTime()) / 1000)) };
}

/** Counts the attempt. @throws too_many_attempts, with `retry_after` in seconds, beyond what is allowed */
export async function allowAttempt(db: Database, limit: Limit, key: string, now: Date): Promise<void> {
  const { count, retryAfterSeconds } = await countAttempt(db, limit, key, now);
  if (count <= limit.allowed) return;
  throw new SallyportError(
    'too_many_attempts',
    `Too many attempts. Wait ${retryAfterSeconds} seconds and try again.`,
    { detail: limit.bucket, members: { retry_after: retryAfterSeconds } },
  );
}

/** Takes an attempt back that turned out not to be one of those that are limited. */
export async function forgiveAttempt(
  db: Database,
  { bucket, windowSeconds }: Limit,
  key: string,
  now: Date,
): Promise<void> {
  const windowMilliseconds = windowSeconds * 1000;
  await db
    .updateTable('attempts')
    .set({ count: sql<number>`greatest(count - 1, 0)` })
    .where('bucket', '=', bucket)
    .where('key_hash', '=', createHash('sha256').update(key, 'utf8').digest())
    .where('window_start', '=', new Date(Math.floor(now.getTime() / windowMilliseconds) * windowMilliseconds))
    .execute();
}
