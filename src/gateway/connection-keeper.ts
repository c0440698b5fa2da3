/** Keeps the connections of a companion: who is connected, who must go, and whom nobody knows. */
import { ConnectionEndings } from './connection-endings.ts';
import { type Connection, connectionKey } from './connection-file.ts';
import type { Connections } from './connections.ts';
import type { Basis, DecisionBasis } from './decision-basis.ts';
import type { Endable } from './end-connection.ts';
import { endWords, isLimit } from './end-words.ts';
import { type Judgement, judgeConnections, judgeLeft, withIdleTimeout } from './judge-connections.ts';
import { type Log, logFailure } from './log.ts';
import type { Problems } from './problems.ts';
import { type ProcessId, readProcesses, readSameProcess } from './proc.ts';
import { type SshdListener, servesUser } from './sshd-listener.ts';
import { tellTerminals } from './tell-terminals.ts';
import { TrafficWatch } from './traffic-watch.ts';

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

type EndEvent = 'connection.ended' | 'connection.left_ended';

/** Words for more than these would keep everybody's ending waiting. */
const mostToldWhileEnding = 10;

export class ConnectionKeeper {
  readonly #options: ConnectionKeeperOptions;
  readonly #endings: ConnectionEndings;
  readonly #traffic: TrafficWatch;
  /** Connections that were told of their limit; they end at the next look. */
  #told = new Set<string>();

  constructor(options: ConnectionKeeperOptions) {
    this.#options = options;
    this.#traffic = new TrafficWatch(options.log);
    const { connections, problems, log, onChange } = options;
    for (const path of connections.damaged) {
      const message = `${path} can't be read; its connection counts as unknown.`;
      log({ level: 'error', event: 'connections.damaged', message });
    }
    // Others may have gone by themselves meanwhile.
    const onEnded = () => {
      if (this.forgetGone()) onChange();
    };
    this.#endings = new ConnectionEndings({ problems, log, onEnded });
  }

  /** On how many somebody is logged in. */
  count(): number {
    return this.#options.connections.count();
  }

  /** Forgets who is gone. @returns whether there is something to report */
  forgetGone(): boolean {
    return this.#options.connections.forgetGone();
  }

  /** Finds who is logged in now, and tells of each. Never throws. */
  async findArrived(): Promise<void> {
    const { connections, nowSeconds, onChange, log } = this.#options;
    try {
      await connections.findArrived(nowSeconds, onChange);
    } catch (error) {
      logFailure(log, 'error', 'companion.check_failed', error);
    }
  }

  /** Another companion may go on with the connections. */
  close(): void {
    this.#options.connections.close();
  }

  /** Resolves when whoever must go now is gone, or refuses to. @returns how many this call has ended */
  async endWhoMustGo(): Promise<number> {
    const now = this.#options.basis.forEnding();
    if (now === undefined) return 0;
    const judged = this.#judge(now);
    const isFirstTold = this.#tell(judged);
    const ending = judged.filter((judgement) => !isFirstTold.has(judgement));
    // Noted before: a report may leave as soon as they are gone.
    for (const { connection, reason } of ending) this.#options.connections.noteEnding(connection, reason);
    const [gone] = await Promise.all([this.#endLive(ending, now), this.#endLeft(now)]);
    return gone;
  }

  /**
   * Who is put out loses all of it. Otherwise, at a limit or where its app is stopped, what goes on ends, and what a session
   * left that was over before goes on as after any logout.
   */
  async #endLive(judged: readonly Judgement[], { facts, checked: { krl } }: Basis): Promise<number> {
    const connections = judged.map(({ connection }) => connection);
    const putOut = new Set(judgeLeft(connections, { facts, krl }).map(({ connection }) => connection));
    return await this.#end('connection.ended', judged, (connection) =>
      putOut.has(connection) ? connection : withoutWhatItLeft(connection),
    );
  }

  /** What connections left running that have just gone by themselves. */
  async #endLeft({ facts, checked: { krl } }: Basis): Promise<void> {
    await this.#end('connection.left_ended', judgeLeft(this.#options.connections.left(), { facts, krl }));
  }

  /** @returns how many of them this has ended */
  async #end(
    event: EndEvent,
    judged: readonly Judgement[],
    endableOf: (connection: Connection) => Endable = (connection) => connection,
  ): Promise<number> {
    const endings = judged.map((judgement) => ({ judgement, endable: endableOf(judgement.connection) }));
    const gone = new Set(await this.#endings.end(endings.map(({ endable }) => endable)));
    for (const { judgement, endable } of endings) if (gone.has(endable)) this.#logEnd(event, judgement);
    return gone.size;
  }

  /**
   * Says why on the connections' terminals. What only reached a limit ends at the next look, so that the words arrive;
   * whom somebody wants gone is not waited for.
   * @returns those that end later
   */
  #tell(judged: readonly Judgement[]): ReadonlySet<Judgement> {
    const before = this.#told;
    this.#told = new Set(judged.map(({ connection }) => connectionKey(connection)));
    const untold = judged.filter(({ connection }) => !before.has(connectionKey(connection)));
    const tellable = untold.filter(
      ({ connection, reason }) =>
        connection.startedAtSeconds !== null &&
        // Where a gateway brings somebody, the gateway tells.
        connection.offer.mode !== 'hop' &&
        (isLimit(reason) || untold.length <= mostToldWhileEnding),
    );
    if (tellable.length === 0) return new Set();
    const processes = readProcesses();
    const heard = tellable.filter(({ connection, reason }) =>
      tellTerminals(connection, endWords(reason, connection.permitted[0]?.name), processes),
    );
    return new Set(heard.filter(({ reason }) => isLimit(reason)));
  }

  /** Connections that lived before this companion and that nobody knows: told, or ended. */
  async findUnknown(failClosed: boolean): Promise<void> {
    const { connections, listener, problems, log } = this.#options;
    const processes = readProcesses();
    const unknown: ProcessId[] = [];
    for (const monitor of listener.monitors()) {
      if (!connections.knows(monitor) && (await servesUser(monitor, processes))) unknown.push(monitor);
    }
    if (unknown.length === 0) return;
    const message = `${unknown.length} live connections of this sshd are unknown to the companion${failClosed ? ' and were ended' : ''}.`;
    problems.setWhileAlive('unknown', message, unknown);
    log({ level: 'warning', event: 'connections.unknown', message });
    if (failClosed) await this.#endings.end(unknown);
  }

  #judge({ facts, checked }: Basis): readonly Judgement[] {
    const connections = this.#options.connections.all();
    const watched = withIdleTimeout(connections, facts);
    const activeAtSeconds = this.#traffic.look(watched, facts.nowSeconds);
    return judgeConnections(connections, { facts, krl: checked.krl, activeAtSeconds });
  }

  #logEnd(event: EndEvent, { connection, reason }: Judgement): void {
    const { account, sessionId, serial } = connection.offer;
    const what = event === 'connection.ended' ? 'A connection' : 'What was left running by a connection';
    this.#options.log({
      level: 'info',
      event,
      message: `${what} of ${account} was ended.`,
      facts: { account, session: sessionId, serial, user: connection.user, reason },
    });
  }
}

function withoutWhatItLeft(connection: Connection): Endable {
  return { ...connection, leaders: connection.leaders.filter((leader) => readSameProcess(leader)) };
}
