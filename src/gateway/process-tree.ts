/** The process tree of a connection, pure: what a look at all processes says of who belongs to a monitor. */
import type { ProcessId, ProcessStat } from './proc.ts';
import { indexOf } from './process-index.ts';

export interface ProcessTree {
  /** Everything below the monitor; parents before their children; without the monitor. */
  readonly descendants: readonly ProcessStat[];
  /** Sessions (setsid) that the tree leads: whoever is in one belongs to the tree even without its parent. */
  readonly sessions: ReadonlySet<number>;
}

/** @param sessions those known from earlier looks, when parents were still alive */
export function processTree(
  monitor: ProcessId,
  processes: readonly ProcessStat[],
  sessions: ReadonlySet<number> = new Set(),
): ProcessTree {
  const { byId, byParent: children, bySession } = indexOf(processes);
  const holder = byId.get(monitor.pid);
  const root = holder?.startTime === monitor.startTime ? holder : undefined;
  const inSession = [...sessions].flatMap((id) => bySession.get(id) ?? []);

  const found = new Map<number, ProcessStat>();
  const waiting = [...(root ? (children.get(root.pid) ?? []) : []), ...inSession];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    if (found.has(next.pid) || next.pid === monitor.pid) continue;
    found.set(next.pid, next);
    waiting.push(...(children.get(next.pid) ?? []));
  }
  const descendants = [...found.values()];
  const leaders = [...(root ? [root] : []), ...descendants].filter(({ pid, session }) => pid === session);
  return { descendants, sessions: new Set([...sessions, ...leaders.map(({ pid }) => pid)]) };
}
