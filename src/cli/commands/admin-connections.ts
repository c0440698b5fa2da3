import {
  connectionList,
  type LiveConnection,
  type MachineStanding,
  machineList,
} from '../../api/connections.ts';
import { nowSeconds, type SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { printTable } from '../print-table.ts';
import { printable } from '../printable.ts';
import { callSignedIn } from '../signed-in.ts';
import { fromNow, spanText } from '../times.ts';

export async function adminConnectionsList(
  context: SallyContext,
  { json }: { readonly json?: boolean },
): Promise<ExitName> {
  const { terminal } = context;
  const request = { method: 'GET', path: '/v1/connections', reply: connectionList } as const;
  const { connections } = await callSignedIn(context, request);
  if (json) terminal.print(JSON.stringify({ connections }, null, 2));
  else if (connections.length === 0) terminal.print('Nobody is connected.');
  else printConnections(context, connections);
  return 'done';
}

function printConnections(context: SallyContext, connections: readonly LiveConnection[]): void {
  const now = nowSeconds(context);
  const rows = connections.map((connection) => [
    connection.account,
    connection.target ?? '-',
    printable(connection.companion),
    connection.ending ? 'ending' : (connection.way ?? '-'),
    spanText(Math.max(0, now - connection.started_at)),
    printable(connection.client_address ?? '-'),
    connection.session_id,
  ]);
  printTable(context, ['ACCOUNT', 'TARGET', 'THROUGH', 'WAY', 'FOR', 'FROM', 'SESSION'], rows);
}

export async function adminMachinesList(
  context: SallyContext,
  { json, behind }: { readonly json?: boolean; readonly behind?: boolean },
): Promise<ExitName> {
  const { terminal } = context;
  const request = { method: 'GET', path: '/v1/companions', reply: machineList } as const;
  const { version, companions } = await callSignedIn(context, request);
  const shown = behind ? companions.filter((machine) => machine.behind !== null) : companions;
  if (json) terminal.print(JSON.stringify({ version, companions: shown }, null, 2));
  else if (shown.length > 0) printMachines(context, shown);
  else terminal.print(behind ? 'Every machine is current.' : 'No gateway or host is set up yet.');
  return 'done';
}

function printMachines(context: SallyContext, machines: readonly MachineStanding[]): void {
  const now = context.now();
  const rows = machines.map((machine) => [
    printable(machine.name),
    machine.kind,
    machine.online ? 'online' : 'offline',
    stateText(machine, now),
    machine.last_seen_at === null ? 'never' : fromNow(machine.last_seen_at, now),
    printable(machine.problem ?? listProblem(machine) ?? '-'),
  ]);
  printTable(context, ['MACHINE', 'KIND', 'LINE', 'STATE', 'SEEN', 'PROBLEM'], rows);
}

function stateText({ enrolled, behind }: MachineStanding, now: Date): string {
  if (!enrolled) return 'not enrolled';
  if (behind === null) return 'current';
  const sessions = behind.ended_sessions > 0 ? `, ended sessions: ${behind.ended_sessions}` : '';
  return `behind since ${fromNow(behind.since, now)}${sessions}`;
}

function listProblem({ krl_excess_bytes }: MachineStanding): string | null {
  return krl_excess_bytes === null ? null : `its revocation list is ${krl_excess_bytes} bytes too long`;
}
