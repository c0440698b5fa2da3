/**
 * Connections that have just gone while something of theirs runs on. Where the gateway ends its side of a relay before the
 * target's companion has heard why, sshd of the target goes by itself: what it leaves must end with the login session all
 * the same. After a minute in which the CA was heard it is the machine's, as after any logout.
 */
import { type Connection, connectionKey } from './connection-file.ts';
import { readProcesses } from './proc.ts';
import { isSeen, livingLeaders } from './process-sessions.ts';

const rememberedSeconds = 60;

interface Left {
  readonly connection: Connection;
  readonly sinceSeconds: number;
}

export interface LeftBehindOptions {
  /** Less of it runs than before, or its sessions are known by others. */
  readonly onChanged?: (connection: Connection) => void;
  readonly onForgotten?: (connection: Connection) => void;
  /** A clock that stands while the CA is not heard: what it said meanwhile must find what was left. */
  readonly nowSeconds?: () => number;
}

export class LeftBehind {
  readonly #options: LeftBehindOptions;
  readonly #byKey = new Map<string, Left>();

  constructor(options: LeftBehindOptions = {}) {
    this.#options = options;
  }

  /** It is no more. */
  note(connection: Connection): void {
    if (connection.leaders.length === 0) this.#options.onForgotten?.(connection);
    else this.#byKey.set(connectionKey(connection), { connection, sinceSeconds: this.#now() });
  }

  all(): Connection[] {
    for (const [key, { connection, sinceSeconds }] of this.#byKey) {
      if (this.#now() - sinceSeconds > rememberedSeconds) this.#forget(key, connection);
    }
    const stale = [...this.#byKey].filter(([, { connection }]) => !connection.leaders.every(isSeen));
    if (stale.length > 0) this.#look(stale);
    return [...this.#byKey.values()].map(({ connection }) => connection);
  }

  #look(stale: readonly (readonly [string, Left])[]): void {
    const processes = readProcesses();
    for (const [key, { connection, sinceSeconds }] of stale) {
      const leaders = livingLeaders(connection.leaders, processes);
      if (leaders.length === 0) this.#forget(key, connection);
      else {
        const now = { ...connection, leaders };
        this.#byKey.set(key, { connection: now, sinceSeconds });
        this.#options.onChanged?.(now);
      }
    }
  }

  #forget(key: string, connection: Connection): void {
    this.#byKey.delete(key);
    this.#options.onForgotten?.(connection);
  }

  #now(): number {
    return (this.#options.nowSeconds ?? (() => performance.now() / 1_000))();
  }
}
