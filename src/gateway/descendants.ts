/**
 * The processes of one connection, without a look at all the others: many sessions may start at the same moment, and
 * each look at a whole machine keeps everybody else waiting.
 */
import { type ProcessId, readChildren, readProcesses } from './proc.ts';
import { processTree } from './process-tree.ts';

/** Ids of everything below the monitor, parents before their children. */
export function descendantsOf(monitor: ProcessId): number[] {
  const found: number[] = [];
  const waiting = readChildren(monitor.pid);
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    found.push(next);
    waiting.push(...readChildren(next));
  }
  // Kernels may be built without the list of children; then all processes tell their parents.
  return found.length > 0 ? found : processTree(monitor, readProcesses()).descendants.map(({ pid }) => pid);
}
