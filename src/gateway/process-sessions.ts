/**
 * Process sessions (setsid(2)), of which sshd begins one for each command and each terminal of a connection. They are known
 * from the moment when the connection asks what it is to run: a command without a terminal outlives sshd's processes, and
 * once those and its shell have gone nothing in /proc but the session tells whose it was.
 */
import {
  isAlive,
  type ProcessId,
  type ProcessStat,
  readChildren,
  readProcess,
  readSameProcess,
} from './proc.ts';
import { isSshd } from './sshd-listener.ts';

/** The leaders of those that begin directly below sshd's processes of this connection. What people begin is not looked at. */
export function sessionLeaders(monitor: ProcessId): ProcessId[] {
  if (readSameProcess(monitor) === undefined) return [];
  const children = childrenOf(monitor.pid);
  // For root the monitor serves; for all others a child of it does.
  const below = children.filter(({ name }) => isSshd(name)).flatMap(({ pid }) => childrenOf(pid));
  return [...children, ...below].filter(({ pid, session }) => pid === session);
}

/**
 * The ids of the sessions in which something runs. Linux gives an id to no other process while it is a living session's;
 * a leader that has become another process is one of a session that had ended.
 */
export function sessionsOf(
  leaders: readonly ProcessId[],
  processes: readonly ProcessStat[],
): ReadonlySet<number> {
  const living = new Set(processes.map(({ session }) => session));
  const startTimes = new Map(processes.map(({ pid, startTime }) => [pid, startTime]));
  const ids = leaders
    .filter(({ pid, startTime }) => living.has(pid) && (startTimes.get(pid) ?? startTime) === startTime)
    .map(({ pid }) => pid);
  return new Set(ids);
}

function childrenOf(pid: number): ProcessStat[] {
  return readChildren(pid)
    .map(readProcess)
    .filter((found) => found !== undefined)
    .filter(isAlive);
}
