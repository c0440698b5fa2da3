import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { printTable } from '../print-table.ts';
import { printable } from '../printable.ts';
import { tunnelDocument } from '../tunnels/tunnel-lines.ts';
import { placeOf } from '../tunnels/tunnel-state.ts';
import { readTunnels } from '../tunnels/tunnel-store.ts';

/** What is open, as it is at this moment. */
export async function tunnelList(
  context: SallyContext,
  { json }: { readonly json?: boolean | undefined },
): Promise<ExitName> {
  const { terminal } = context;
  const tunnels = await readTunnels(context);
  if (json) {
    const documents = tunnels.map((tunnel) => tunnelDocument(context, tunnel));
    terminal.print(JSON.stringify({ tunnels: documents }, null, 2));
    return 'done';
  }
  if (tunnels.length === 0) {
    terminal.print('No tunnel is open.');
    return 'done';
  }
  const rows = tunnels.map((tunnel) => [
    tunnel.id,
    placeOf(tunnel),
    tunnel.status,
    tunnel.services
      .filter(({ open }) => open)
      .map((service) => `${service.name}:${service.local_port}`)
      .join(' '),
  ]);
  printTable(context, ['ID', 'ENVIRONMENT', 'STATUS', 'SERVICES'], rows);
  for (const { id, why } of tunnels) if (why !== null) terminal.tell(`sally: ${id}: ${printable(why)}`);
  return 'done';
}
