/**
 * Serials come from one database sequence, so no two replicas give the same one. A database that was restored from a
 * backup has forgotten the last serials it gave; so at every start the sequence is raised to a number that grows faster
 * than certificates are issued: unix seconds times 2^20.
 */
import { sql } from 'kysely';
import type { Tx } from '../database/database.ts';

const perSecond = 2n ** 20n;

/** Never lowers the sequence. The caller holds the lock of a start, so that two replicas do not both raise it. */
export async function raiseSerials(tx: Tx, now: Date): Promise<void> {
  const floor = BigInt(Math.floor(now.getTime() / 1000)) * perSecond;
  await sql`
    select setval('certificate_serials', ${floor}::bigint, false)
    from certificate_serials
    where last_value < ${floor}::bigint
  `.execute(tx);
}

/** A serial that no certificate has had; a rolled-back transaction uses it up. */
export async function nextSerial(tx: Tx): Promise<bigint> {
  // As text all the way: a JavaScript number ends at 2^53.
  const { rows } = await sql<{ serial: string }>`
    select nextval('certificate_serials')::text as serial
  `.execute(tx);
  return BigInt(rows[0]?.serial ?? 0);
}
