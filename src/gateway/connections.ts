/**
 * The live connections: which monitor of sshd serves which session. Every offer that gets an answer is registered, the
 * last one of a monitor counts, and it counts for ending only; a connection is reported as started when its ticket is
 * redeemed or when its monitor has a child that serves the user.
 */
import { join } from 'node:path';
import type { ConnectionReport, EndReason } from '../api/companions.ts';
import { Arrivals } from './arrivals.ts';
import { ClientAddresses } from './client-address.ts';
import {
  type Connection,
  connectionKey,
  readConnectionFiles,
  removeConnectionFile,
  removeUnfinished,
  writeConnectionFile,
} from './connection-file.ts';
import type { PermittedTarget } from './decide-offer.ts';
import { LeftBehind } from './left-behind.ts';
import { type ProcessId, readBootId, readProcesses, readSameProcess } from './proc.ts';
import { isSeen, livingLeaders } from './process-sessions.ts';
import { type Reported, UntoldConnections } from './untold-connections.ts';

export type Registration = Pick<Connection, 'offer' | 'user' | 'permitted' | 'offeredAtSeconds'> &
  Partial<Pick<Connection, 'ticketDigest' | 'way' | 'granted'>>;

export interface ConnectionsTold {
  /** Somebody is on it, or on it in another way than before. */
  readonly onStarted?: (connection: Connection) => void;
  /** Of every connection that is no more. */
  readonly onGone?: (key: string, connection: Connection) => void;
}

/** What became of a connection: who is on it is known, and on the way to where. */
export interface Use {
  readonly way: NonNullable<Connection['way']>;
  /** Where one of its sessions goes on to, beside where others do: sessions of one connection begin at the same time. */
  readonly target?: PermittedTarget;
  /** Leaders of the process sessions that sshd has begun on it. */
  readonly leaders?: readonly ProcessId[];
}

export class Connections {
  readonly #folder: string;
  readonly #told: ConnectionsTold;
  readonly #bootId = readBootId();
  readonly #byKey = new Map<string, Connection>();
  /** Why connections were ended here, by key, until the CA has heard it. */
  readonly #ending = new Map<string, EndReason>();
  readonly #untold = new UntoldConnections();
  readonly #left: LeftBehind;
  readonly #clientAddresses = new ClientAddresses();
  readonly #arrivals = new Arrivals();
  #finding: Promise<void> | undefined;
  #isClosed = false;
  /** Paths of files that stood for connections and could not be read. */
  readonly damaged: readonly string[];

  /**
   * Reads what an earlier companion knew and keeps what /proc confirms.
   * @param folder exists and is private
   * @param heardForSeconds how long the CA was heard until now; absent: always
   */
  constructor(folder: string, told: ConnectionsTold = {}, heardForSeconds?: () => number) {
    this.#folder = folder;
    this.#told = told;
    this.#left = new LeftBehind({
      onChanged: (connection) => this.#writeIfPossible(connection),
      onForgotten: (connection) => removeConnectionFile(this.#folder, connection),
      ...(heardForSeconds && { nowSeconds: heardForSeconds }),
    });
    removeUnfinished(folder);
    const { connections, damaged } = readConnectionFiles(folder);
    this.damaged = damaged.map((name) => join(folder, name));
    for (const connection of connections) {
      if (connection.bootId !== this.#bootId) {
        removeConnectionFile(folder, connection);
        continue;
      }
      // Nobody looked meanwhile: what is not seen any more may be a stranger's session by now.
      const known = { ...connection, leaders: connection.leaders.filter(isSeen) };
      if (readSameProcess(known)) this.#byKey.set(connectionKey(known), known);
      else this.#left.note(known);
    }
  }

  /** On disk when this returns. @returns the connection's key */
  register({ pid, startTime }: ProcessId, registration: Registration): string {
    const connection: Connection = {
      format: 1,
      bootId: this.#bootId,
      pid,
      startTime,
      ticketDigest: null,
      way: null,
      granted: null,
      clientAddress: null,
      leaders: [],
      ...registration,
      startedAtSeconds: null,
    };
    writeConnectionFile(this.#folder, connection);
    const key = connectionKey(connection);
    this.#byKey.set(key, connection);
    return key;
  }

  /** The connection that the ticket was issued for, if its monitor still lives. */
  byTicket(digest: string): Connection | undefined {
    const found = this.all().find(({ ticketDigest }) => ticketDigest === digest);
    return found && readSameProcess(found) ? found : undefined;
  }

  /** Somebody is logged in on it. On disk when this returns. @returns whether there is something new to report */
  markUsed(key: string, use: Use, nowSeconds: number): boolean {
    const connection = this.#byKey.get(key);
    if (connection === undefined) return false;
    // One that has taken somebody on to a target stays one that has.
    const way = connection.way === 'relay' ? 'relay' : use.way;
    const permitted = permittedWith(connection, use.target);
    const leaders = leadersWith(connection, use.leaders);
    const isNew = connection.startedAtSeconds === null || connection.way !== way;
    const isTold = !isNew && permitted === connection.permitted;
    if (isTold && leaders === connection.leaders) return false;
    const startedAtSeconds = connection.startedAtSeconds ?? nowSeconds;
    // Looked for here and not while sshd waits for its answer.
    const where = connection.clientAddress ?? this.#clientAddresses.of(connection) ?? null;
    const used = { ...connection, startedAtSeconds, way, permitted, leaders, clientAddress: where };
    // First, so that it counts even where it can't be written.
    this.#byKey.set(key, used);
    if (isNew) this.#told.onStarted?.(used);
    // Where there is no room for one more session of a connection that is on disk, that keeps nobody from it.
    if (isTold) this.#writeIfPossible(used);
    else writeConnectionFile(this.#folder, used);
    return !isTold;
  }

  /** @returns whether anybody was on a connection that is no more */
  forgetGone(): boolean {
    const gone = this.all().filter((connection) => readSameProcess(connection) === undefined);
    for (const connection of gone) this.#forget(connection);
    this.#forgetSessions();
    return gone.some(({ startedAtSeconds }) => startedAtSeconds !== null);
  }

  /** Finds who is now logged in. One look at a time. @param onFound there is something new to report */
  findArrived(nowSeconds: () => number, onFound: () => void): Promise<void> {
    this.#finding ??= this.#findArrived(nowSeconds, onFound).finally(() => {
      this.#finding = undefined;
    });
    return this.#finding;
  }

  async #findArrived(nowSeconds: () => number, onFound: () => void): Promise<void> {
    const offered = this.all().filter(({ startedAtSeconds }) => startedAtSeconds === null);
    await this.#arrivals.find(offered, (connection, way) => {
      const key = connectionKey(connection);
      // It is gone, has said so itself, or has come with another key: the next look sees it as it is now.
      if (this.#byKey.get(key) !== connection || readSameProcess(connection) === undefined) return;
      // Another companion keeps its file by now.
      if (this.#isClosed) return;
      try {
        this.markUsed(key, { way }, nowSeconds());
      } catch {
        // No room: it counts all the same, and a companion that is restarted finds out again.
      }
      onFound();
    });
  }

  /** Nothing is written any more but what is asked for. */
  close(): void {
    this.#isClosed = true;
  }

  /** Process ids are used again: a session of which nothing runs any more is nobody's. Most looks need none at everything. */
  #forgetSessions(): void {
    const stale = this.all().filter(({ leaders }) => !leaders.every(isSeen));
    if (stale.length === 0) return;
    const processes = readProcesses();
    for (const connection of stale) {
      const now = { ...connection, leaders: livingLeaders(connection.leaders, processes) };
      this.#byKey.set(connectionKey(now), now);
      this.#writeIfPossible(now);
    }
  }

  /** What is known of its sessions; a companion that is restarted finds less of them otherwise. */
  #writeIfPossible(connection: Connection): void {
    try {
      writeConnectionFile(this.#folder, connection);
    } catch {
      // No room. It counts all the same.
    }
  }

  all(): Connection[] {
    return [...this.#byKey.values()];
  }

  /** Those that went in the last minute while something of theirs runs on. */
  left(): Connection[] {
    return this.#left.all();
  }

  knows({ pid, startTime }: ProcessId): boolean {
    return this.#byKey.has(connectionKey({ bootId: this.#bootId, pid, startTime }));
  }

  /** On how many somebody is logged in. */
  count(): number {
    return this.#live().length;
  }

  /** What the CA is told: connections on which somebody is logged in, or was without the CA hearing of it. */
  report(): ConnectionReport {
    const connections = [...this.#live(), ...this.#untold.all()];
    const ended = [...this.#ending]
      .filter(([key]) => !this.#byKey.has(key) && !this.#untold.has(key))
      .map(([key, reason]) => ({ key, reason }));
    return { connections, ...(ended.length === 0 ? {} : { ended }) };
  }

  #live(): Reported[] {
    return this.all().flatMap((connection) => reported(connection) ?? []);
  }

  /** It is about to be ended, and why. */
  noteEnding(connection: Connection, reason: EndReason): void {
    this.#ending.set(connectionKey(connection), reason);
  }

  /** The CA has heard the report. @returns whether it has to hear now that some of those in it are gone */
  noteReported({ connections, ended = [] }: ConnectionReport): boolean {
    for (const { key } of ended) this.#ending.delete(key);
    return this.#untold.noteHeard(connections, (key) => this.#byKey.has(key));
  }

  /** The CA has heard the report, and does not take it. */
  noteRefused(): void {
    this.#untold.drop();
  }

  #forget(connection: Connection): void {
    const key = connectionKey(connection);
    this.#byKey.delete(key);
    // Its file goes with what it left.
    this.#left.note(connection);
    const last = reported(connection);
    if (last) this.#untold.noteGone(last);
    this.#told.onGone?.(key, connection);
  }
}

/** Nothing of one on which nobody is logged in. */
function reported(connection: Connection): Reported | undefined {
  const { offer, permitted, startedAtSeconds, way, clientAddress: where } = connection;
  if (startedAtSeconds === null) return undefined;
  const [target, ...others] = permitted;
  return {
    key: connectionKey(connection),
    account: offer.account,
    session_id: offer.sessionId,
    serial: offer.serial,
    target: target && others.length === 0 ? target.name : null,
    started_at: startedAtSeconds,
    ...(way === null ? {} : { way }),
    ...(where === null ? {} : { client_address: where }),
  };
}

function leadersWith({ leaders }: Connection, more: readonly ProcessId[] = []): Connection['leaders'] {
  const unknown = more.filter(
    ({ pid, startTime }) => !leaders.some((one) => one.pid === pid && one.startTime === startTime),
  );
  return unknown.length === 0
    ? leaders
    : [...leaders, ...unknown.map(({ pid, startTime }) => ({ pid, startTime }))];
}

function permittedWith({ permitted }: Connection, target?: PermittedTarget): Connection['permitted'] {
  if (target === undefined) return permitted;
  const { name, address, port } = target;
  const before = permitted.find((one) => one.name === name);
  return before?.address === address && before.port === port
    ? permitted
    : [...permitted.filter((one) => one !== before), target];
}
