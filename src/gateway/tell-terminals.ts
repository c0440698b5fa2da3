/**
 * Writes a line on the terminals of a connection, as wall(1) does, so that the person learns why it ends. Best effort:
 * what has no terminal, or none that can be written, hears nothing.
 */
import { closeSync, constants, fstatSync, openSync, statSync, writeSync } from 'node:fs';
import { type ProcessId, type ProcessStat, readTerminal } from './proc.ts';
import { processTree } from './process-tree.ts';

/**
 * @param line printable ASCII
 * @param processes all that live now
 * @returns whether a terminal took it
 */
export function tellTerminals(monitor: ProcessId, line: string, processes: readonly ProcessStat[]): boolean {
  const { descendants } = processTree(monitor, processes);
  const paths = new Map(descendants.flatMap((process) => terminalOf(monitor, process)));
  // Every one of them, hence no some().
  return [...paths].map(([path, owner]) => write(path, owner, `\r\n${line}\r\n`)).includes(true);
}

/** Its path as the monitor sees it, which may live in another mount namespace, and the user whom it must belong to. */
function terminalOf(monitor: ProcessId, { pid }: ProcessStat): [path: string, owner: number][] {
  const terminal = readTerminal(pid);
  const owner = ownerOf(pid);
  return terminal === undefined || owner === undefined
    ? []
    : [[`/proc/${monitor.pid}/root/dev/pts/${terminal}`, owner]];
}

function ownerOf(pid: number): number | undefined {
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid;
}

/** A process can take a terminal of another namespace for its own: that number is somebody else's here. */
function write(path: string, owner: number, text: string): boolean {
  try {
    const { O_WRONLY, O_NOCTTY, O_NONBLOCK, O_NOFOLLOW } = constants;
    const file = openSync(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    try {
      const found = fstatSync(file);
      if (!found.isCharacterDevice() || found.uid !== owner) return false;
      return writeSync(file, text) > 0;
    } finally {
      closeSync(file);
    }
  } catch {
    return false;
  }
}
