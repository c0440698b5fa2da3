import { sql } from 'kysely';
import type { Tx } from './database.ts';

/** Says that the state companions are sent has a new version; the payload is the version. */
export const stateChannel = 'sallyport_state';

/** Tells every listener, of this process and others, when the transaction commits; nobody if it rolls back. */
export async function notify(tx: Tx, channel: string, payload: string): Promise<void> {
  await sql`select pg_notify(${channel}, ${payload})`.execute(tx);
}
