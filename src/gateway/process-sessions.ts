/**
 * Process sessions (setsid(2)), of which sshd begins one for each command and each terminal of a connection. They are known
 * from the moment when the connection asks what it is to run: a command without a terminal outlives sshd's processes, and
 * once those and its shell have gone nothing in /proc but the session tells whose it was.
 */
import type { SessionLeader } from './connection-file.ts';
import { type ProcessId, type ProcessStat, readSameProcess } from './proc.ts';
import { indexOf } from './process-index.ts';
import { ProcessLook } from './process-look.ts';
import { isSshd } from './sshd-listener.ts';

/** The leaders of those that begin directly below sshd's processes of this connection. What people begin is not looked at. */
export async function sessionLeaders(monitor: ProcessId): Promise<ProcessId[]> {
  if (readSameProcess(monitor) === undefined) return [];
  const look = new ProcessLook();
  const children = await look.childrenOf(monitor);
  // For root the monitor serves; for all others a child of it does.
  const serving = children.filter(({ name }) => isSshd(name));
  const below = await Promise.all(serving.map((child) => look.childrenOf(child)));
  return [...children, ...below.flat()].filter(({ pid, session }) => pid === session);
}

/**
 * Those in whose sessions something runs. Linux gives an id to no other process while it is a living session's; a leader
 * that has become another process is one of a session that had ended. For whoever looks time and again: where nobody
 * looked, an id may be another session's by now, whose leader has gone too.
 */
export function livingLeaders(
  leaders: readonly SessionLeader[],
  processes: readonly ProcessStat[],
): SessionLeader[] {
  const { byId, bySession } = indexOf(processes);
  return leaders.flatMap((leader) => {
    const now = byId.get(leader.pid);
    if (now) return now.startTime === leader.startTime ? [leader] : [];
    const [first, ...others] = bySession.get(leader.pid) ?? [];
    if (first === undefined) return [];
    if ([first, ...others].some((one) => isSame(one, leader.member))) return [leader];
    const { pid, startTime } = first;
    return [{ ...leader, member: { pid, startTime } }];
  });
}

/** Whether somebody who is known to be in the session is there still, which a look at two processes tells. */
export function isSeen({ pid, startTime, member }: SessionLeader): boolean {
  if (readSameProcess({ pid, startTime })) return true;
  return member !== undefined && readSameProcess(member)?.session === pid;
}

function isSame(one: ProcessId, other: ProcessId | undefined): boolean {
  return one.pid === other?.pid && one.startTime === other.startTime;
}
