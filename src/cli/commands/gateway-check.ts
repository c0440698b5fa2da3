import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { portFailure } from '../network/gateway-ports.ts';
import { printTable } from '../print-table.ts';
import { seenTargets } from '../reach/seen-targets.ts';

/** Which ports of the gateways can be reached from here. */
export async function gatewayCheck(
  context: SallyContext,
  { json }: { readonly json?: boolean },
): Promise<ExitName> {
  const { terminal } = context;
  const { gateways } = await seenTargets(context);
  const asked = [...gateways.values()].flatMap((gateway) =>
    gateway.ports.map(async (port) => {
      const problem = (await portFailure(context, gateway, port)) ?? null;
      return { gateway: gateway.name, address: gateway.address, port, open: problem === null, problem };
    }),
  );
  const results = await Promise.all(asked);
  if (json) terminal.print(JSON.stringify(results, null, 2));
  else {
    const rows = results.map(({ gateway, address, port, problem }) => [
      gateway,
      address,
      String(port),
      problem ?? 'open',
    ]);
    printTable(context, ['GATEWAY', 'ADDRESS', 'PORT', 'FROM HERE'], rows);
  }
  const isReached = (name: string) => results.some(({ gateway, open }) => open && gateway === name);
  return [...gateways.keys()].every(isReached) ? 'done' : 'unreachable';
}
