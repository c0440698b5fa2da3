/** What a companion sees in /proc of the process that its arguments name, as one line of JSON. */
import { ClientAddresses } from '../../src/gateway/client-address.ts';
import { listenersOfProcess } from '../../src/gateway/listening-ports.ts';
import { readProcess } from '../../src/gateway/proc.ts';
import { TrafficWatch } from '../../src/gateway/traffic-watch.ts';

export interface Sees {
  /** Whether a process of root is there, and one of somebody else. */
  readonly root: boolean;
  readonly stranger: boolean;
  readonly listens: readonly number[];
  readonly client: string | null;
  /** How many sessions' traffic can be watched. */
  readonly traffic: number;
}

const [rootsPid, strangersPid] = process.argv.slice(2).map(Number);
const monitor = { pid: rootsPid ?? 0, startTime: '' };
const session = { pid: strangersPid, startTime: '', bootId: '' } as Parameters<
  TrafficWatch['look']
>[0][number];
const sees: Sees = {
  root: readProcess(monitor.pid) !== undefined,
  stranger: readProcess(strangersPid ?? 0) !== undefined,
  listens: listenersOfProcess(monitor.pid).map(({ port }) => port),
  client: new ClientAddresses().of(monitor) ?? null,
  traffic: new TrafficWatch(() => {}).look([session], 1).size,
};
process.stdout.write(JSON.stringify(sees));
