/** The sshd that this companion stands beside: who its listener is, which processes are its monitors, and reloading it. */
import { readFileSync } from 'node:fs';
import { codeService } from './code-paths.ts';
import {
  lookAtTitle,
  type ProcessId,
  type ProcessStat,
  readProcess,
  readProcesses,
  readSameProcess,
} from './proc.ts';

/** sshd-session is the monitor since OpenSSH 9.8. The listener for one-time codes runs by a name of its own before that. */
const sshdNames: ReadonlySet<string> = new Set(['sshd', 'sshd-session', codeService]);

/** Whether a process of this name (ProcessStat) is a part of sshd itself. */
export function isSshd(name: string): boolean {
  return sshdNames.has(name);
}

export interface SshdListener {
  /** The listener now, read anew each time: sshd may have been restarted. Undefined if none runs. */
  current(): ProcessStat | undefined;
  /** The process if it is a connection's monitor: an sshd directly below the listener, which nobody else can become. */
  monitor(pid: number): ProcessStat | undefined;
  /** All of them. */
  monitors(): ProcessStat[];
  /** Makes sshd read its configuration and host certificate again; false if it does not run. Connections go on. */
  reload(): boolean;
}

export function createSshdListener(pidFile: string): SshdListener {
  let known: ProcessStat | undefined;
  const current = () => {
    const pid = readPid(pidFile);
    // sshd that is told to reload removes its file, and writes it again as the very same process when it has read all it
    // needs: whoever is on the way in meanwhile asks too.
    const found = pid === undefined ? known && readSameProcess(known) : readProcess(pid);
    known = found && isListenerName(found.name) ? found : undefined;
    return known;
  };
  return {
    current,
    monitor(pid) {
      const listener = current();
      const found = readProcess(pid);
      return listener && found && isMonitor(found, listener) ? found : undefined;
    },
    monitors() {
      const listener = current();
      return listener ? readProcesses().filter((found) => isMonitor(found, listener)) : [];
    },
    reload() {
      const listener = current();
      if (listener === undefined || readSameProcess(listener) === undefined) return false;
      process.kill(listener.pid, 'SIGHUP');
      return true;
    },
  };
}

/** Several that one companion stands beside, as one: the first is its own. */
export function severalListeners(first: SshdListener, others: readonly SshdListener[]): SshdListener {
  const all = [first, ...others];
  return {
    current: () => first.current(),
    monitor: (pid) => all.map((one) => one.monitor(pid)).find((found) => found !== undefined),
    monitors: () => all.flatMap((one) => one.monitors()),
    reload: () => all.map((one) => one.reload())[0] ?? false,
  };
}

/**
 * Whether somebody is logged in on the connection: its monitor has a child that serves the user. What sshd's children
 * are is told by their titles: "sshd: alice [net]" is still on its way in, "sshd: alice" and "sshd: alice@pts/1" are in.
 */
export async function servesUser(monitor: ProcessId, processes: readonly ProcessStat[]): Promise<boolean> {
  const candidates = processes.filter(
    ({ pid, parent, name }) => isSshd(name) && (parent === monitor.pid || pid === monitor.pid),
  );
  for (const { pid } of candidates) {
    // For root there is no second process: the monitor itself serves the session and says so.
    const serving =
      pid === monitor.pid
        ? /^(sshd(-session)?|sallyport-codes): [^ ]+@/
        : /^(sshd(-session)?|sallyport-codes): [^ ]+$/;
    if (serving.test(await lookAtTitle(pid))) return true;
  }
  return false;
}

function isListenerName(name: string): boolean {
  return name === 'sshd' || name === codeService;
}

function isMonitor(found: ProcessStat, listener: ProcessStat): boolean {
  return found.parent === listener.pid && isSshd(found.name);
}

function readPid(pidFile: string): number | undefined {
  try {
    const text = readFileSync(pidFile, 'ascii').trim();
    return /^[1-9][0-9]{0,9}$/.test(text) ? Number(text) : undefined;
  } catch {
    return undefined;
  }
}
