/**
 * Ends connections, one ending after the other: each chooses when its turn comes, so that none ends, or counts, what an
 * earlier one has ended. What refuses to go is a problem until it has gone.
 */
import { type EndedConnection, endConnections } from './end-connection.ts';
import type { Log } from './log.ts';
import { OneAtATime } from './one-at-a-time.ts';
import type { Problems } from './problems.ts';
import type { ProcessId } from './proc.ts';

export interface ConnectionEndingsOptions {
  readonly problems: Problems;
  readonly log: Log;
  /** After every ending. */
  readonly onEnded: () => void;
  readonly end?: (monitors: readonly ProcessId[]) => Promise<readonly EndedConnection[]>;
}

export class ConnectionEndings {
  readonly #options: ConnectionEndingsOptions;
  readonly #oneAtATime = new OneAtATime();

  constructor(options: ConnectionEndingsOptions) {
    this.#options = options;
  }

  get isBusy(): boolean {
    return this.#oneAtATime.isBusy;
  }

  /** @returns how many of the chosen connections were ended and are gone */
  end(choose: () => readonly ProcessId[]): Promise<number> {
    return this.#oneAtATime.run(async () => {
      const monitors = choose();
      if (monitors.length === 0) return 0;
      const { end = endConnections, onEnded } = this.#options;
      const ended = await end(monitors);
      onEnded();
      const refusing = ended.filter(({ left }) => left.length > 0);
      if (refusing.length > 0) this.#tell(refusing);
      return ended.length - refusing.length;
    });
  }

  #tell(refusing: readonly EndedConnection[]): void {
    const { problems, log } = this.#options;
    const message = `${refusing.length} connections could not be ended: processes of theirs belong to other users.`;
    problems.setWhileAlive(
      'left',
      message,
      refusing.flatMap(({ left }) => left),
    );
    log({ level: 'error', event: 'connection.not_ended', message });
  }
}
