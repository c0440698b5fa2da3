/**
 * The live connections: which monitor of sshd serves which session. Every offer that gets an answer is registered, the
 * last one of a monitor counts, and it counts for ending only; a connection is reported as started when its ticket is
 * redeemed or when its monitor has a child that serves the user.
 */
import { join } from 'node:path';
import type { ConnectionReport } from '../api/companions.ts';
import {
  type Connection,
  connectionKey,
  readConnectionFiles,
  removeConnectionFile,
  writeConnectionFile,
} from './connection-file.ts';
import { type ProcessId, readBootId, readProcesses, readSameProcess } from './proc.ts';
import { servesUser } from './sshd-listener.ts';

export type Registration = Omit<Connection, 'format' | 'bootId' | 'startedAtSeconds' | 'pid' | 'startTime'>;

export class Connections {
  readonly #folder: string;
  readonly #bootId = readBootId();
  readonly #byKey = new Map<string, Connection>();
  /** Paths of files that stood for connections and could not be read. */
  readonly damaged: readonly string[];

  /** @param folder exists and is private. Reads what an earlier companion knew and keeps what /proc confirms. */
  constructor(folder: string) {
    this.#folder = folder;
    const { connections, damaged } = readConnectionFiles(folder);
    this.damaged = damaged.map((name) => join(folder, name));
    for (const connection of connections) {
      if (connection.bootId === this.#bootId && readSameProcess(connection)) {
        this.#byKey.set(connectionKey(connection), connection);
      } else removeConnectionFile(folder, connection);
    }
  }

  /** On disk when this returns. @returns the connection's key */
  register({ pid, startTime }: ProcessId, registration: Registration): string {
    const connection: Connection = {
      format: 1,
      bootId: this.#bootId,
      pid,
      startTime,
      ...registration,
      startedAtSeconds: null,
    };
    writeConnectionFile(this.#folder, connection);
    const key = connectionKey(connection);
    this.#byKey.set(key, connection);
    return key;
  }

  /** @returns false if it is unknown or known to be started already */
  markStarted(key: string, nowSeconds: number): boolean {
    const connection = this.#byKey.get(key);
    if (connection === undefined || connection.startedAtSeconds !== null) return false;
    const started = { ...connection, startedAtSeconds: nowSeconds };
    writeConnectionFile(this.#folder, started);
    this.#byKey.set(key, started);
    return true;
  }

  /** Looks at /proc: forgets who is gone and finds who is now logged in. @returns whether anything changed */
  refresh(nowSeconds: number): boolean {
    let changed = false;
    for (const connection of this.all()) {
      if (readSameProcess(connection) === undefined) {
        this.#forget(connection);
        changed ||= connection.startedAtSeconds !== null;
      }
    }
    const offered = this.all().filter(({ startedAtSeconds }) => startedAtSeconds === null);
    if (offered.length === 0) return changed;
    const processes = readProcesses();
    for (const connection of offered) {
      if (servesUser(connection, processes)) {
        changed = this.markStarted(connectionKey(connection), nowSeconds) || changed;
      }
    }
    return changed;
  }

  all(): Connection[] {
    return [...this.#byKey.values()];
  }

  knows({ pid, startTime }: ProcessId): boolean {
    return this.#byKey.has(connectionKey({ bootId: this.#bootId, pid, startTime }));
  }

  /** What the CA is told: connections on which somebody is logged in. */
  report(): ConnectionReport {
    const connections = this.all().flatMap((connection) => {
      const { offer, permitted, startedAtSeconds } = connection;
      if (startedAtSeconds === null) return [];
      const [target, ...others] = permitted;
      return {
        key: connectionKey(connection),
        account: offer.account,
        session_id: offer.sessionId,
        serial: offer.serial,
        target: target && others.length === 0 ? target.name : null,
        started_at: startedAtSeconds,
      };
    });
    return { connections };
  }

  #forget(connection: Connection): void {
    this.#byKey.delete(connectionKey(connection));
    removeConnectionFile(this.#folder, connection);
  }
}
