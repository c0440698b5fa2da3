/**
 * Who is logged in by now, of those for whom sshd was told to let them in: sshd tells nobody, so it is looked for in /proc.
 * A session says itself where it goes when it begins; this finds those who come without one.
 */
import { type Connection, connectionKey, type Way } from './connection-file.ts';
import { ProcessLook } from './descendants.ts';
import { readSameProcess } from './proc.ts';
import { isSshd, servesUser } from './sshd-listener.ts';

/** Between a login and its first session is one exchange with the client, over whatever it is connected by. */
const sessionPatienceMilliseconds = 500;

/** Node reads files in four threads, and whoever puts a state in force needs some of them. */
const mostAtOnce = 2;

export class Arrivals {
  /** When somebody was first seen to be logged in, by key (performance.now). */
  readonly #servedSince = new Map<string, number>();

  /** Calls with everyone who is there, as soon as it is known; sshd that waits for the processor keeps only a few waiting. */
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

  /** It is no more. */
  forget(connection: Connection): void {
    this.#servedSince.delete(connectionKey(connection));
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
    const key = connectionKey(connection);
    const since = this.#servedSince.get(key) ?? performance.now();
    this.#servedSince.set(key, since);
    const hasSession = (await look.descendantsOf(connection)).some(({ name }) => !isSshd(name));
    return hasSession || performance.now() - since < sessionPatienceMilliseconds ? undefined : 'jump';
  }
}
