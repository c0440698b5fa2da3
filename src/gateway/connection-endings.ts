/**
 * Ends connections, each only once at a time: whoever asks for one that is being ended already waits for that, and does
 * not count it. Nobody waits for connections that others chose. What refuses to go is a problem until it has gone.
 */
import {
  type Endable,
  type EndedConnection,
  endConnections,
  patienceMilliseconds,
} from './end-connection.ts';
import type { Log } from './log.ts';
import type { Problems } from './problems.ts';
import type { ProcessId } from './proc.ts';

export interface ConnectionEndingsOptions {
  readonly problems: Problems;
  readonly log: Log;
  /** After every ending. */
  readonly onEnded: () => void;
  readonly end?: (
    monitors: readonly Endable[],
    waitedMilliseconds: number,
  ) => Promise<readonly EndedConnection[]>;
}

export class ConnectionEndings {
  readonly #options: ConnectionEndingsOptions;
  /** By monitor: the ending that is under way. */
  readonly #underWay = new Map<string, Promise<unknown>>();
  /** By monitor: what was waited for in vain. It is tried again and not waited for, or every later state would have to wait. */
  readonly #refusing = new Set<string>();

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
    const hasRefused = (monitor: ProcessId) => this.#refusing.has(keyOf(monitor));
    const attempts = [
      { chosen: monitors.filter((monitor) => !hasRefused(monitor)), waitedMilliseconds: 0 },
      { chosen: monitors.filter(hasRefused), waitedMilliseconds: patienceMilliseconds },
    ].filter(({ chosen }) => chosen.length > 0);
    const ended = (
      await Promise.all(attempts.map(({ chosen, waitedMilliseconds }) => end(chosen, waitedMilliseconds)))
    ).flat();
    onEnded();
    const refusing = ended.filter(({ left }) => left.length > 0);
    const isNews = refusing.some(({ monitor }) => !hasRefused(monitor));
    for (const { monitor } of ended) this.#refusing.delete(keyOf(monitor));
    for (const { monitor } of refusing) this.#refusing.add(keyOf(monitor));
    if (refusing.length > 0) this.#tell(refusing, isNews);
    return ended.filter(({ left }) => left.length === 0).map(({ monitor }) => monitor);
  }

  #tell(refusing: readonly EndedConnection[], isNews: boolean): void {
    const { problems, log } = this.#options;
    const message = `${refusing.length} connections could not be ended: processes of theirs belong to other users, or wait for a file server that does not answer.`;
    const left = refusing.flatMap((one) => one.left);
    problems.setWhileAlive('left', message, left);
    if (isNews) log({ level: 'error', event: 'connection.not_ended', message });
  }
}

function keyOf({ pid, startTime }: ProcessId): string {
  return `${pid}:${startTime}`;
}
