/**
 * What a state leaves behind when it has been read is many times what is kept of it, and V8 would let the heap grow over it
 * for hours, since a companion does little else. Collected once things are quiet, it goes back to the machine.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** A burst of states is collected once; a collection takes some tens of milliseconds, far less than an answer may. */
const quietMilliseconds = 2_000;

/** A small state's remains are not worth the time: the heap has to have grown by this since the last collection. */
const worthwhileBytes = 8 * 2 ** 20;

/** @returns what to call after each state */
export function memoryKeeper(): () => void {
  let isWaiting = false;
  let collect: (() => void) | undefined;
  let kept = 0;
  return () => {
    if (isWaiting) return;
    isWaiting = true;
    setTimeout(() => {
      isWaiting = false;
      if (usedHeap() - kept < worthwhileBytes) return;
      collect ??= collector();
      collect();
      kept = usedHeap();
    }, quietMilliseconds).unref();
  };
}

const usedHeap = () => getHeapStatistics().used_heap_size;

function collector(): () => void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  return typeof collect === 'function' ? () => void collect() : () => {};
}
