/**
 * Who is logged in by now, of those for whom sshd was told to let them in: sshd tells nobody, so it is looked for in /proc.
 * A session says itself where it goes when it begins; this finds those who come without one.
 */
import type { Connection, Way } from './connection-file.ts';
import { readSameProcess } from './proc.ts';
import { ProcessLook } from './process-look.ts';
import { isSshd, servesUser } from './sshd-listener.ts';

/** Between a login and its first session is one exchange with the client, over whatever it is connected by. */
const sessionPatienceMilliseconds = 500;

/** What such looks wait for must not keep from beginning a session, which is looked at too (read-aside.ts). */
const mostAtOnce = 2;

export class Arrivals {
  /** When somebody was first seen to be logged in (performance.now). */
  readonly #servedSince = new WeakMap<Connection, number>();

  /** Calls with each of them as soon as it is known. */
  async find(
    offered: readonly Connection[],
    onArrived: (connection: Connection, way: Way) => void,
  ): Promise<void> {
    const look = new ProcessLook();
    const waiting = offered.values();
    const lookAtNext = async () => {
      for (const connection of waiting) {
        const way = await this.#wayOf(connection, look);
        if (way !== undefined) onArrived(connection, way);
      }
    };
    await Promise.all(Array.from({ length: mostAtOnce }, lookAtNext));
  }

  /** undefined: nobody is on it yet, or it is not known yet for what. */
  async #wayOf(connection: Connection, look: ProcessLook): Promise<Way | undefined> {
    const monitor = readSameProcess(connection);
    if (monitor === undefined) return undefined;
    if (!(await servesUser(monitor, [monitor, ...(await look.childrenOf(monitor))]))) return undefined;
    return connection.way ?? (await this.#wayWithoutSession(connection, look));
  }

  /**
   * Of a connection to a gateway on which nobody has asked for a session so far. One that does has its command name the
   * way; one that goes on without is a jump.
   */
  async #wayWithoutSession(connection: Connection, look: ProcessLook): Promise<'jump' | undefined> {
    const since = this.#servedSince.get(connection) ?? performance.now();
    this.#servedSince.set(connection, since);
    // The look's own time is none of the client's.
    if (performance.now() - since < sessionPatienceMilliseconds) return undefined;
    const hasSession = (await look.descendantsOf(connection)).some(({ name }) => !isSshd(name));
    return hasSession ? undefined : 'jump';
  }
}
