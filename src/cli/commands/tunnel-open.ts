/** `sally tunnel open`: to every service of an environment, until it is closed. */

import { confirmed } from '../confirmed.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import type { Selection } from '../reach/find-target.ts';
import { newTunnel, sessionHere } from '../tunnels/new-tunnel.ts';
import { startSupervisor } from '../tunnels/start-supervisor.ts';
import { printServices, tunnelDocument } from '../tunnels/tunnel-lines.ts';
import { isOver, placeOf, type Tunnel } from '../tunnels/tunnel-state.ts';
import { readTunnels, removeTunnel, withTunnelsLock } from '../tunnels/tunnel-store.ts';
import { type Reached, reachServices } from '../tunnels/tunnel-target.ts';

export interface TunnelOpenOptions extends Selection {
  readonly yes?: boolean | undefined;
  readonly gatewayPorts?: boolean | undefined;
  readonly json?: boolean | undefined;
}

export async function tunnelOpen(context: SallyContext, options: TunnelOpenOptions): Promise<ExitName> {
  const { terminal } = context;
  const reached = await reachServices(context, options);
  const { target, services } = reached;
  const place = placeOf(target);
  const found = await openAlready(context, reached);
  if (!found && target.environment_kind === 'production' && !options.yes) {
    const names = services.map(({ name }) => name).join(', ');
    await confirmed(context, `${place} is production. Open tunnels to ${names}?`, 'No tunnel was opened.');
  }
  const gatewayPorts = options.gatewayPorts ?? false;
  const tunnel = found ?? (await opened(context, reached, gatewayPorts));
  if (found) {
    const { gateway_ports: isPublic, status, why } = found;
    terminal.tell(`sally: the tunnel to ${place} is open already${status === 'up' ? '' : `, and ${status}`}`);
    if (why !== null) terminal.tell(`sally: ${why}`);
    if (gatewayPorts && !isPublic) {
      terminal.tell(`sally: its ports are of this machine alone. First: sally tunnel close ${found.id}`);
    }
  } else if (gatewayPorts) terminal.tell(publicWarning);
  if (options.json) terminal.print(JSON.stringify(tunnelDocument(context, tunnel), null, 2));
  else {
    printServices(context, tunnel.services);
    terminal.tell(`sally: to end it: sally tunnel close ${place}`);
  }
  return 'done';
}

export const publicWarning =
  'sally: WARNING: every machine that reaches this one can use these ports, in your name, over IPv4 and IPv6.';

async function opened(context: SallyContext, reached: Reached, gatewayPorts: boolean): Promise<Tunnel> {
  const { services } = reached;
  const tunnel = await withTunnelsLock(context, async () => {
    // Another sally may have opened it while the person was asked.
    const other = await openAlready(context, reached);
    return other ?? (await newTunnel(context, reached, { mode: 'background', services, gatewayPorts }));
  });
  return tunnel.status === 'up' ? tunnel : await startSupervisor(context, tunnel);
}

/** What has ended for good makes room for a new one. */
async function openAlready(
  context: SallyContext,
  { seen, target: { project, environment } }: Reached,
): Promise<Tunnel | undefined> {
  const { server } = await sessionHere(context);
  const same = (await readTunnels(context)).filter(
    (one) =>
      one.mode === 'background' &&
      one.server === server &&
      one.account === seen.account &&
      one.project === project &&
      one.environment === environment,
  );
  for (const { id } of same.filter(isOver)) await removeTunnel(context.paths, id);
  return same.find((one) => !isOver(one));
}
