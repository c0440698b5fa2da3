/** Whom the sessions of a connection run as, found in /proc: sshd has seen to it that nobody else is. */
import { readFileSync } from 'node:fs';
import type { ProcessId } from './proc.ts';
import { ProcessLook } from './process-look.ts';

export interface SessionUser {
  readonly uid: number;
  readonly gid: number;
}

/** Undefined where every process of the connection belongs to root, or none is left. */
export async function sessionUser(monitor: ProcessId): Promise<SessionUser | undefined> {
  const below = await new ProcessLook().descendantsOf(monitor);
  return below.map(({ pid }) => userOf(pid)).find((user) => user !== undefined && user.uid !== 0);
}

/** The real ids: a process that changed its user hides who owns its files in /proc, but not this. */
function userOf(pid: number): SessionUser | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'ascii');
    const [, uid] = /^Uid:\t(\d+)/m.exec(status) ?? [];
    const [, gid] = /^Gid:\t(\d+)/m.exec(status) ?? [];
    return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
  } catch {
    return undefined;
  }
}
