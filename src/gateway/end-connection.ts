/**
 * Ends connections with everything that runs in them. SIGTERM to the monitor alone leaves a command without a terminal
 * running, and SIGKILL to the monitor alone leaves the client connected, because its child keeps the socket. So: look
 * at the whole tree first, SIGTERM the monitor, SIGKILL all below it, look again until nothing is left. What left the
 * tree on purpose (setsid and a dead parent) is beyond this; logind's KillUserProcesses ends that.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { SessionLeader } from './connection-file.ts';
import { type ProcessId, readProcesses, readSameProcess } from './proc.ts';
import { livingLeaders } from './process-sessions.ts';
import { processTree } from './process-tree.ts';

/** How long a monitor may take to put its books in order once it has no children. */
const monitorPatienceMilliseconds = 500;
/** The next state waits for so long at most, and with it whoever else is to go. */
export const patienceMilliseconds = 5_000;
/** Nearly all is gone long before; after this it is looked at less often. */
const promptMilliseconds = 1_000;

export interface EndedConnection {
  readonly monitor: ProcessId;
  /** Empty: it is gone. Otherwise what of it still runs, for example what belongs to another user. */
  readonly left: readonly ProcessId[];
}

export interface Endable extends ProcessId {
  /** Leaders of process sessions that are known to be the connection's. It may be gone itself. */
  readonly leaders?: readonly SessionLeader[];
}

interface Ending {
  readonly monitor: ProcessId;
  sessions: ReadonlySet<number>;
  /** Everything that was ever seen in the tree and not yet seen gone. */
  seen: Map<number, ProcessId>;
}

/**
 * Resolves when /proc shows every connection gone, or when what is left can't be ended.
 * @param waitedMilliseconds how long they have refused to go before
 */
export async function endConnections(
  monitors: readonly Endable[],
  waitedMilliseconds = 0,
): Promise<EndedConnection[]> {
  const start = performance.now() - waitedMilliseconds;
  const processes = readProcesses();
  const endings = monitors.map((monitor): Ending => {
    const leaders = livingLeaders(monitor.leaders ?? [], processes);
    return { monitor, sessions: new Set(leaders.map(({ pid }) => pid)), seen: new Map() };
  });
  lookAt(endings, processes);
  for (const { monitor } of endings) signal(monitor, 'SIGTERM');
  for (;;) {
    const elapsed = performance.now() - start;
    for (const ending of endings) kill(ending, elapsed);
    lookAt(endings);
    if (endings.every((ending) => leftOf(ending).length === 0) || elapsed > patienceMilliseconds) break;
    // The kernel tells no stranger when a process has died, so this looks again.
    await wait(elapsed < promptMilliseconds ? 5 : 100);
  }
  return endings.map((ending) => ({ monitor: ending.monitor, left: leftOf(ending) }));
}

/** One look at all processes for all endings. */
function lookAt(endings: readonly Ending[], processes = readProcesses()): void {
  for (const ending of endings) {
    const tree = processTree(ending.monitor, processes, ending.sessions);
    ending.sessions = tree.sessions;
    const still = [...ending.seen.values()].filter((one) => readSameProcess(one) !== undefined);
    ending.seen = new Map([...still, ...tree.descendants].map((one) => [one.pid, one]));
  }
}

function kill({ monitor, seen }: Ending, elapsed: number): void {
  for (const one of seen.values()) signal(one, 'SIGKILL');
  // Only when nothing is left that could keep the client's socket.
  if (elapsed > monitorPatienceMilliseconds && ![...seen.values()].some(readSameProcess)) {
    signal(monitor, 'SIGKILL');
  }
}

function leftOf({ monitor, seen }: Ending): ProcessId[] {
  return [monitor, ...seen.values()].filter((one) => readSameProcess(one) !== undefined);
}

/** Signals the process only if it is still the same one; the look is immediately before the signal. */
function signal(target: ProcessId, name: 'SIGTERM' | 'SIGKILL'): void {
  if (target.pid === process.pid || target.pid <= 1 || readSameProcess(target) === undefined) return;
  try {
    process.kill(target.pid, name);
  } catch {
    // Gone in between, or not ours to end: the next look tells.
  }
}
