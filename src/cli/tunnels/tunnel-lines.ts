/** Tunnels for people, and as the JSON that scripts read. */
import type { SallyContext } from '../context.ts';
import { printTable } from '../print-table.ts';
import { printable } from '../printable.ts';
import { factLines, terminalColumns } from '../terminal.ts';
import { momentText } from '../times.ts';
import { localHost, urlOf } from './relationships.ts';
import { placeOf, type Tunnel, type TunnelService } from './tunnel-state.ts';
import { logOf } from './tunnel-store.ts';

export function tunnelDocument({ paths }: SallyContext, tunnel: Tunnel) {
  const { id, profile, account, project, environment, app, target, mode, status, since, why } = tunnel;
  return {
    id,
    ...{ project, environment, app, target, account, profile, mode, status, since, why },
    opened_at: tunnel.opened_at,
    gateway_ports: tunnel.gateway_ports,
    pid: tunnel.supervisor?.pid ?? null,
    ssh_pid: tunnel.ssh?.pid ?? null,
    log: logOf(paths, id),
    services: tunnel.services.map((service) => ({
      name: service.name,
      kind: service.kind,
      host: localHost,
      port: service.local_port,
      login: service.login,
      database: service.database,
      url: urlOf(service),
      open: service.open,
    })),
  };
}

export function printServices(context: SallyContext, services: readonly TunnelService[]): void {
  const rows = services.map((service) => [
    service.name,
    service.kind,
    service.open ? `${localHost}:${service.local_port}` : 'gone, or closed to you',
    service.open ? printable(urlOf(service)) : '-',
  ]);
  printTable(context, ['SERVICE', 'KIND', 'ADDRESS', 'URL'], rows);
}

/** One under the other. */
export function printTunnel(context: SallyContext, tunnel: Tunnel): void {
  const { terminal, paths } = context;
  const { id, account, profile, mode, gateway_ports: gatewayPorts, target } = tunnel;
  const facts = factLines(
    [
      ['Tunnel', `${terminal.bold(placeOf(tunnel))}, ${id}`],
      ['Status', statusText(context, tunnel)],
      ['By way of', target],
      ['As', `${printable(account)}, profile ${profile}`],
      ['Ports', gatewayPorts ? 'open to every machine that reaches this one' : 'of this machine alone'],
      ['Kept by', mode === 'foreground' ? 'a command in a terminal' : 'a process in the background'],
      ['Log', logOf(paths, id)],
    ],
    terminalColumns(context.environment),
  );
  for (const line of facts) terminal.print(line);
  printServices(context, tunnel.services);
}

export function statusText({ terminal, now }: SallyContext, { status, since, why }: Tunnel): string {
  const word = status === 'up' ? terminal.good(status) : status === 'opening' ? status : terminal.bad(status);
  return `${word} since ${momentText(since, now())}${why === null ? '' : `: ${printable(why)}`}`;
}
