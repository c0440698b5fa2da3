/**
 * Ends connections, each only once at a time: whoever asks for one that is being ended already waits for that, and does
 * not count it. Nobody waits for connections that others chose. What refuses to go is a problem until it has gone.
 */
import { type Endable, type EndedConnection, endConnections } from './end-connection.ts';
import type { Log } from './log.ts';
import type { Problems } from './problems.ts';
import type { ProcessId } from './proc.ts';

export interface ConnectionEndingsOptions {
  readonly problems: Problems;
  readonly log: Log;
  /** After every ending. */
  readonly onEnded: () => void;
  readonly end?: (monitors: readonly Endable[]) => Promise<readonly EndedConnection[]>;
}

export class ConnectionEndings {
  readonly #options: ConnectionEndingsOptions;
  /** By monitor: the ending that is under way. */
  readonly #underWay = new Map<string, Promise<unknown>>();

  constructor(options: ConnectionEndingsOptions) {
    this.#options = options;
  }

  /** Resolves when all are gone or refuse to go. @returns those that this call has ended and that are gone */
  async end(monitors: readonly Endable[]): Promise<readonly ProcessId[]> {
    const elsewhere = monitors.map((monitor) => this.#underWay.get(keyOf(monitor)));
    const mine = monitors.filter((_, index) => elsewhere[index] === undefined);
    const ending = this.#endAll(mine).finally(() => {
      for (const monitor of mine) this.#underWay.delete(keyOf(monitor));
    });
    for (const monitor of mine) this.#underWay.set(keyOf(monitor), ending);
    const [gone] = await Promise.all([ending, ...elsewhere]);
    return gone;
  }

  async #endAll(monitors: readonly Endable[]): Promise<readonly ProcessId[]> {
    if (monitors.length === 0) return [];
    const { end = endConnections, onEnded } = this.#options;
    const ended = await end(monitors);
    onEnded();
    const refusing = ended.filter(({ left }) => left.length > 0);
    if (refusing.length > 0) this.#tell(refusing);
    return ended.filter(({ left }) => left.length === 0).map(({ monitor }) => monitor);
  }

  #tell(refusing: readonly EndedConnection[]): void {
    const { problems, log } = this.#options;
    const message = `${refusing.length} connections could not be ended: processes of theirs belong to other users.`;
    const left = refusing.flatMap((one) => one.left);
    problems.setWhileAlive('left', message, left);
    log({ level: 'error', event: 'connection.not_ended', message });
  }
}

function keyOf({ pid, startTime }: ProcessId): string {
  return `${pid}:${startTime}`;
}
