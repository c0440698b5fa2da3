/**
 * The processes of one connection, without a look at all the others: many sessions may start at the same moment, and
 * each look at a whole machine keeps everybody else waiting.
 */
import { existsSync } from 'node:fs';
import {
  isAlive,
  lookAtProcess,
  type ProcessId,
  type ProcessStat,
  readChildren,
  readProcesses,
} from './proc.ts';
import { indexOf } from './process-index.ts';

/** Kernels may be built without the lists of children (CONFIG_PROC_CHILDREN). */
const hasChildLists = existsSync('/proc/thread-self/children');

/** One look at several of them. Without lists of children all processes tell their parents, and are asked once. */
export class ProcessLook {
  readonly #hasChildLists: boolean;
  #all: readonly ProcessStat[] | undefined;

  constructor(childLists = hasChildLists) {
    this.#hasChildLists = childLists;
  }

  /** Those that live. */
  async childrenOf({ pid }: Pick<ProcessId, 'pid'>): Promise<readonly ProcessStat[]> {
    if (!this.#hasChildLists) {
      this.#all ??= readProcesses();
      return indexOf(this.#all).byParent.get(pid) ?? [];
    }
    const children: ProcessStat[] = [];
    for (const child of readChildren(pid)) {
      const found = await lookAtProcess(child);
      if (found && isAlive(found)) children.push(found);
    }
    return children;
  }

  /** Everything below the process, parents before their children. */
  async descendantsOf(process: Pick<ProcessId, 'pid'>): Promise<ProcessStat[]> {
    const found = new Map<number, ProcessStat>();
    const waiting = [...(await this.childrenOf(process))];
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      if (found.has(next.pid)) continue;
      found.set(next.pid, next);
      waiting.push(...(await this.childrenOf(next)));
    }
    return [...found.values()];
  }
}
