/** Keeps the connections of a companion: who is connected, who must go, and whom nobody knows. */
import type { ConnectionReport } from '../api/companions.ts';
import { ConnectionEndings } from './connection-endings.ts';
import type { Connections } from './connections.ts';
import type { DecisionBasis } from './decision-basis.ts';
import { type Judgement, judgeConnections } from './judge-connections.ts';
import type { Log } from './log.ts';
import type { Problems } from './problems.ts';
import { readProcesses } from './proc.ts';
import { type SshdListener, servesUser } from './sshd-listener.ts';

export interface ConnectionKeeperOptions {
  readonly connections: Connections;
  readonly listener: SshdListener;
  readonly basis: DecisionBasis;
  readonly problems: Problems;
  readonly log: Log;
  readonly nowSeconds: () => number;
  /** There is something new to report. */
  readonly onChange: () => void;
}

export class ConnectionKeeper {
  readonly #options: ConnectionKeeperOptions;
  readonly #endings: ConnectionEndings;

  constructor(options: ConnectionKeeperOptions) {
    this.#options = options;
    const { connections, problems, log, onChange } = options;
    for (const path of connections.damaged) {
      const message = `${path} can't be read; its connection counts as unknown.`;
      log({ level: 'error', event: 'connections.damaged', message });
    }
    // Others may have gone by themselves meanwhile.
    const onEnded = () => {
      if (this.refresh()) onChange();
    };
    this.#endings = new ConnectionEndings({ problems, log, onEnded });
  }

  report(): ConnectionReport {
    return this.#options.connections.report();
  }

  /** Forgets who is gone and finds who is logged in now. @returns whether there is something to report */
  refresh(): boolean {
    return this.#options.connections.refresh(this.#options.nowSeconds());
  }

  /** Resolves when whoever must go now is gone, or refuses to. @returns how many this call has ended */
  async endWhoMustGo(): Promise<number> {
    const judged = this.#judge();
    const gone = new Set(await this.#endings.end(judged.map(({ connection }) => connection)));
    for (const judgement of judged) if (gone.has(judgement.connection)) this.#logEnd(judgement);
    return gone.size;
  }

  /** Connections that lived before this companion and that nobody knows: told, or ended. */
  async findUnknown(failClosed: boolean): Promise<void> {
    const { connections, listener, problems, log } = this.#options;
    const processes = readProcesses();
    const unknown = listener
      .monitors()
      .filter((monitor) => !connections.knows(monitor) && servesUser(monitor, processes));
    if (unknown.length === 0) return;
    const message = `${unknown.length} live connections of this sshd are unknown to the companion${failClosed ? ' and were ended' : ''}.`;
    problems.setWhileAlive('unknown', message, unknown);
    log({ level: 'warning', event: 'connections.unknown', message });
    if (failClosed) await this.#endings.end(unknown);
  }

  #judge(): readonly Judgement[] {
    const now = this.#options.basis.forEnding();
    if (now === undefined) return [];
    return judgeConnections(this.#options.connections.all(), now.facts, now.checked.krl);
  }

  #logEnd({ connection, reason }: Judgement): void {
    const { account, sessionId, serial } = connection.offer;
    this.#options.log({
      level: 'info',
      event: 'connection.ended',
      message: `A connection of ${account} was ended.`,
      facts: { account, session: sessionId, serial, user: connection.user, reason },
    });
  }
}
