/** The processes of somebody's connections at a machine, as /proc shows them. */
import { type ProcessId, readProcesses, readSameProcess } from '../../src/gateway/proc.ts';
import { processTree } from '../../src/gateway/process-tree.ts';
import type { LocalMachine } from './local-machine.ts';
import type { Person } from './ssh-client.ts';
import type { TestAuthority } from './test-authority.ts';

/** Resolves when the machine has reported the connection. Monitors and everything below them. */
export async function treesAt(
  { machine }: { readonly machine: LocalMachine },
  authority: TestAuthority,
  person: Person,
): Promise<ProcessId[]> {
  const report = await authority.waitForReport(({ connections }) =>
    connections.some(
      ({ session_id, key }) => session_id === person.sessionId && monitorOf(key).parent === machine.sshd.pid,
    ),
  );
  const processes = readProcesses();
  return report.connections
    .filter(({ session_id }) => session_id === person.sessionId)
    .map(({ key }) => monitorOf(key))
    .flatMap((monitor) => [monitor, ...processTree(monitor, processes).descendants]);
}

export function alive(tree: readonly ProcessId[]): ProcessId[] {
  return tree.filter((one) => readSameProcess(one) !== undefined);
}

function monitorOf(key: string): ProcessId & { readonly parent: number } {
  const [, pid, startTime = ''] = key.split(':');
  const id = { pid: Number(pid), startTime };
  return { ...id, parent: readSameProcess(id)?.parent ?? 0 };
}
