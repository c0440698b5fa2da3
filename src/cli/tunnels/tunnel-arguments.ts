/** How ssh is told to carry a tunnel. Pure. */
import type { SeenGateway, SeenTarget } from '../../api/targets.ts';
import { sallyportHost } from '../ssh-config-text.ts';
import { configWord } from '../ssh-config-value.ts';
import type { TunnelService } from './tunnel-state.ts';

export interface TunnelWay {
  /** What ssh calls the machine that opens the connections to the services. */
  readonly host: string;
  /** As whom; undefined: as the config says. */
  readonly login: string | undefined;
}

/** A gateway opens them itself, whether it relays or lets jump; without one the target's own host does. */
export function wayOf(target: SeenTarget, gateway: SeenGateway | undefined): TunnelWay {
  if (!gateway) return { host: sallyportHost(target.name), login: undefined };
  return { host: sallyportHost(gateway.name), login: gateway.login ?? target.name };
}

/** Two minutes of silence at most before a connection that is dead counts as one. */
const options: Readonly<Record<string, string | number>> = {
  BatchMode: 'yes',
  ExitOnForwardFailure: 'yes',
  ServerAliveInterval: 15,
  ServerAliveCountMax: 3,
  ConnectTimeout: 20,
  // One that the person keeps open would outlive the tunnel, and be ended by others.
  ControlMaster: 'no',
  ControlPath: 'none',
  ForwardAgent: 'no',
  ForwardX11: 'no',
  PermitLocalCommand: 'yes',
  EscapeChar: 'none',
};

export interface TunnelForwards {
  readonly configFile: string;
  readonly way: TunnelWay;
  readonly services: readonly Pick<TunnelService, 'address' | 'port' | 'local_port'>[];
  readonly gatewayPorts: boolean;
  /** What ssh says on its standard output once every port listens and it has been let in: hex. */
  readonly word: string;
}

export function tunnelArguments({ configFile, way, services, gatewayPorts, word }: TunnelForwards): string[] {
  const { host, login } = way;
  return [
    ...['-F', configFile],
    ...['-N', '-T'],
    ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
    // In words of every shell: it runs after the ports were opened (ssh_config(5), LocalCommand; ssh_session2() of ssh.c).
    ...['-o', `LocalCommand=echo ${word}`],
    ...services.flatMap((service) => ['-L', forwardOf(service, gatewayPorts)]),
    ...(login === undefined ? [] : ['-l', configWord(login)]),
    '--',
    host,
  ];
}

/** `*` is every address of this machine, of IPv4 and of IPv6 (ssh_config(5), LocalForward). */
function forwardOf(
  { address, port, local_port: localPort }: TunnelForwards['services'][number],
  gatewayPorts: boolean,
): string {
  const place = address.includes(':') ? `[${configWord(address)}]` : configWord(address);
  return `${gatewayPorts ? '*' : '127.0.0.1'}:${localPort}:${place}:${port}`;
}
