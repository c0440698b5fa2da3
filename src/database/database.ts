/** What the rest of Sallyport knows of its database. One dialect: Postgres, or Postgres inside the process (PGlite). */
import type { Kysely, Transaction } from 'kysely';
import type { Tables } from './rows.ts';

export type Database = Kysely<Tables>;

/**
 * An open transaction. Functions that write or lock take one, so the compiler refuses calls outside. Inside it use only
 * the transaction: the embedded database has one connection, and asking `db` for another waits for ever.
 */
export type Tx = Transaction<Tables>;

export interface Listener {
  close(): Promise<void>;
}

export interface DatabaseHandle {
  readonly db: Database;
  readonly kind: 'postgres' | 'embedded';
  /**
   * Hears `notify` from every process on this database. After a lost connection `onMessage` is called with '': what was
   * sent meanwhile is lost, so read again.
   */
  listen(channel: string, onMessage: (payload: string) => void): Promise<Listener>;
  close(): Promise<void>;
}
