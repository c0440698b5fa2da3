/**
 * The machines of bench/feed.ts, in a process of their own. Told whose they are by its parent, it says when they are all
 * connected, and for every version that all of them have acknowledged, when each has.
 */
import { simulateMachine } from '../test/feed/simulated-machine.ts';
import { monotonicMilliseconds } from './measure.ts';

export interface Task {
  readonly origin: string;
  readonly host: string;
  readonly credentials: readonly string[];
}

export type News =
  | { readonly kind: 'connected' }
  /** monotonicMilliseconds(), in the order in which they came. */
  | {
      readonly kind: 'acknowledged';
      readonly version: string;
      readonly at: readonly number[];
      /** Of this process, since its start. */
      readonly processorMicroseconds: number;
    };

const connectingAtOnce = 50;

process.once('message', async ({ origin, host, credentials }: Task) => {
  const times = new Map<bigint, number[]>();
  const onAcknowledged = (version: bigint) => {
    const at = times.get(version) ?? [];
    at.push(monotonicMilliseconds());
    times.set(version, at);
    if (at.length < credentials.length) return;
    const { user, system } = process.cpuUsage();
    tell({ kind: 'acknowledged', version: `${version}`, at, processorMicroseconds: user + system });
  };
  const queue = credentials.values();
  const connect = async () => {
    for (const credential of queue) {
      const machine = await simulateMachine(credential, { origin, host, onAcknowledged });
      if (!('ended' in machine)) throw new Error(`a machine was refused with ${machine.status}`);
    }
  };
  await Promise.all(Array.from({ length: connectingAtOnce }, connect));
  tell({ kind: 'connected' });
});

function tell(news: News): void {
  process.send?.(news);
}
