/** Watches the traffic of live connections in /proc, for those alone that have an idle timeout. */
import { readFileSync } from 'node:fs';
import { type Connection, connectionKey } from './connection-file.ts';
import type { Log } from './log.ts';
import { type ProcessId, readChildren } from './proc.ts';
import { type Bytes, type Traffic, traffic } from './traffic.ts';

export class TrafficWatch {
  readonly #log: Log;
  #byKey = new Map<string, Traffic>();
  #hasWarned = false;

  constructor(log: Log) {
    this.#log = log;
  }

  /**
   * @param connections all whose silence matters; others are forgotten
   * @returns when each last carried anything, by key; one that is missing can't be watched
   */
  look(connections: readonly Connection[], nowSeconds: number): ReadonlyMap<string, number> {
    const seen = new Map<string, Traffic>();
    for (const connection of connections) {
      const key = connectionKey(connection);
      const bytes = bytesOf(connection);
      if (bytes === undefined) this.#warn();
      else seen.set(key, traffic(this.#byKey.get(key), bytes, nowSeconds));
    }
    this.#byKey = seen;
    return new Map([...seen].map(([key, { activeAtSeconds }]) => [key, activeAtSeconds]));
  }

  #warn(): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    const message =
      "The traffic of a connection can't be read in /proc: nobody is ended here for being idle.";
    this.#log({ level: 'warning', event: 'connections.traffic_unknown', message });
  }
}

/**
 * What the monitor and its children read and wrote: for a person the child carries the connection, for root the monitor
 * does. proc(5), /proc/PID/io. Undefined if none of it may be read.
 */
function bytesOf({ pid }: ProcessId): Bytes | undefined {
  const counts = [pid, ...readChildren(pid)].map(readBytes).filter((count) => count !== undefined);
  return counts.length === 0 ? undefined : counts.reduce((sum, count) => sum + count);
}

function readBytes(pid: number): Bytes | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/io`, 'ascii');
    const [, read] = /^rchar: ([0-9]+)$/m.exec(text) ?? [];
    const [, written] = /^wchar: ([0-9]+)$/m.exec(text) ?? [];
    return read === undefined || written === undefined ? undefined : Number(read) + Number(written);
  } catch {
    return undefined;
  }
}
