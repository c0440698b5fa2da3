/** One look at all processes, in the orders in which many connections ask for it: made once, whoever asks. */
import type { ProcessStat } from './proc.ts';

interface ProcessIndex {
  readonly byId: ReadonlyMap<number, ProcessStat>;
  readonly byParent: ReadonlyMap<number, readonly ProcessStat[]>;
  readonly bySession: ReadonlyMap<number, readonly ProcessStat[]>;
}

const indexes = new WeakMap<readonly ProcessStat[], ProcessIndex>();

export function indexOf(processes: readonly ProcessStat[]): ProcessIndex {
  const made = indexes.get(processes) ?? {
    byId: new Map(processes.map((one) => [one.pid, one])),
    byParent: Map.groupBy(processes, ({ parent }) => parent),
    bySession: Map.groupBy(processes, ({ session }) => session),
  };
  indexes.set(processes, made);
  return made;
}
