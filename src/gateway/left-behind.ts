/**
 * Connections that have just gone while something of theirs runs on. Where the gateway ends its side of a relay before the
 * target's companion has heard why, sshd of the target goes by itself: what it leaves must end with the login session all
 * the same. After a minute it is the machine's, as after any logout.
 */
import { type Connection, connectionKey } from './connection-file.ts';
import { readProcesses } from './proc.ts';
import { sessionsOf } from './process-sessions.ts';

const rememberedMilliseconds = 60_000;

interface Left {
  readonly connection: Connection;
  /** performance.now() */
  readonly since: number;
}

export class LeftBehind {
  readonly #byKey = new Map<string, Left>();
  readonly #now: () => number;

  constructor(now = () => performance.now()) {
    this.#now = now;
  }

  /** It is no more. */
  note(connection: Connection): void {
    if (connection.leaders.length === 0) return;
    this.#byKey.set(connectionKey(connection), { connection, since: this.#now() });
  }

  all(): Connection[] {
    if (this.#byKey.size === 0) return [];
    const processes = readProcesses();
    for (const [key, { connection, since }] of this.#byKey) {
      const runs = sessionsOf(connection.leaders, processes).size > 0;
      if (!runs || this.#now() - since > rememberedMilliseconds) this.#byKey.delete(key);
    }
    return [...this.#byKey.values()].map(({ connection }) => connection);
  }
}
