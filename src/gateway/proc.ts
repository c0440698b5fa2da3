/**
 * Processes as Linux tells of them in /proc (proc(5)). A process is its id AND its start time: ids are used again. What is
 * called read... is synchronous: the kernel answers from memory, and between a look and a signal nothing may come in
 * between. For a process that forks or executes just now it may wait all the same, since that one holds its memory map
 * (cmdline) and, in newer kernels, what decides who may look at it (stat); where hundreds want a processor it goes on after
 * seconds. Whoever looks while others wait for an answer uses lookAt...(), which keeps nobody else waiting.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { SallyportError } from '../errors/sallyport-error.ts';
import { readAside } from './read-aside.ts';

export interface ProcessId {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks since boot, as text (a u64). */
  readonly startTime: string;
}

export interface ProcessStat extends ProcessId {
  /** The program's name, at most 15 bytes; a process can change it. */
  readonly name: string;
  readonly state: string;
  readonly parent: number;
  /** The leader of its session (setsid), which outlives a change of parent. */
  readonly session: number;
  /** How many threads it has; absent: one. */
  readonly threads?: number;
}

/** Reads the one line of /proc/PID/stat. The name stands in parentheses and may itself hold spaces and parentheses. */
export function parseStat(text: string): ProcessStat | undefined {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 1 || close < open) return undefined;
  const pid = Number(text.slice(0, open));
  // From field 3 on.
  const fields = text
    .slice(close + 1)
    .trim()
    .split(' ');
  const [state, parent, , session] = fields;
  const [threads, , startTime] = fields.slice(17);
  if (!Number.isInteger(pid) || !state || !parent || !session || !startTime) return undefined;
  return {
    pid,
    startTime,
    name: text.slice(open + 1, close),
    state,
    parent: Number(parent),
    session: Number(session),
    threads: Number(threads),
  };
}

/** Undefined if there is no such process. */
export function readProcess(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return undefined;
  }
}

/** readProcess() for whoever can wait. */
export async function lookAtProcess(pid: number): Promise<ProcessStat | undefined> {
  return parseStat(await readAside(`/proc/${pid}/stat`));
}

/**
 * A zombie runs no code and holds no connection; it only waits for its parent to ask for its status. What has threads left
 * is none: its first one has ended (pthread_exit(3)), and the others go on.
 */
export function isAlive({ state, threads = 1 }: ProcessStat): boolean {
  return (state !== 'Z' && state !== 'X') || threads > 1;
}

/** The process if the one with this id is still the very same one and alive. */
export function readSameProcess({ pid, startTime }: ProcessId): ProcessStat | undefined {
  const found = readProcess(pid);
  return found && found.startTime === startTime && isAlive(found) ? found : undefined;
}

/** More are begun time and again than a look takes in. */
const mostLooks = 8;

/**
 * Every process that lives now. To read them all takes its time, in which some begin, and those who began them may end
 * before it is their turn: so it looks again until nobody is new. Whose session shows nobody then has ended.
 */
export function readProcesses(): ProcessStat[] {
  const seen = new Map<number, ProcessStat | undefined>();
  for (let look = 0; look < mostLooks; look++) {
    const names = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name));
    const fresh = names.map(Number).filter((pid) => !seen.has(pid));
    if (fresh.length === 0) break;
    for (const pid of fresh) seen.set(pid, readProcess(pid));
  }
  return [...seen.values()].filter((found) => found !== undefined).filter(isAlive);
}

/** Ids of the children that it has now; none if it is gone. */
export function readChildren(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'ascii');
    return text.split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** The number of its controlling terminal among the pseudo terminals (/dev/pts); undefined if it has none. */
export function readTerminal(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const device = Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[4]);
    const major = (device >> 8) & 0xfff;
    const minor = (device & 0xff) | ((device >> 12) & 0xfff00);
    return major >= firstPtsMajor && major <= lastPtsMajor
      ? (major - firstPtsMajor) * 256 + minor
      : undefined;
  } catch {
    return undefined;
  }
}

/** UNIX98_PTY_SLAVE_MAJOR of Linux and its seven followers. */
const [firstPtsMajor, lastPtsMajor] = [136, 143];

/** What the process calls itself; sshd writes there what it is doing. Empty if it may not be read. */
export function readTitle(pid: number): string {
  try {
    return titleOf(readFileSync(`/proc/${pid}/cmdline`, 'latin1'));
  } catch {
    return '';
  }
}

/** readTitle() for whoever can wait: its first 4 kB. */
export async function lookAtTitle(pid: number): Promise<string> {
  return titleOf(await readAside(`/proc/${pid}/cmdline`));
}

function titleOf(text: string): string {
  return text.replace(/\0+$/, '').replaceAll('\0', ' ');
}

/** Changes at every boot, so that an id and a start time of another boot are never taken for this one's. */
export function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'ascii').trim();
  } catch (cause) {
    throw new SallyportError('install_failed', 'A companion needs Linux with /proc mounted.', { cause });
  }
}
