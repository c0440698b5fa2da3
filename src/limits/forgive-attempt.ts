import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { Tx } from '../database/database.ts';
import type { Limit } from './count-attempt.ts';

/**
 * Takes back one attempt of the present window, where only failures count. In the transaction that counted it: until
 * that commits, whoever counts another of the same key waits, so none is judged by a number that is taken back.
 */
export async function forgiveAttempt(
  tx: Tx,
  { bucket, windowSeconds }: Limit,
  key: string,
  now: Date,
): Promise<void> {
  const windowMilliseconds = windowSeconds * 1000;
  const start = new Date(Math.floor(now.getTime() / windowMilliseconds) * windowMilliseconds);
  await tx
    .updateTable('attempts')
    .set({ count: sql<number>`count - 1` })
    .where('bucket', '=', bucket)
    .where('key_hash', '=', createHash('sha256').update(key, 'utf8').digest())
    .where('window_start', '=', start)
    .execute();
}
