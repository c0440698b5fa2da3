/** `sally tunnel single`: to one service, as long as the command runs. */
import { SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { printable } from '../printable.ts';
import type { Selection } from '../reach/find-target.ts';
import { failureOf, keepInForeground } from '../tunnels/foreground.ts';
import { newTunnel } from '../tunnels/new-tunnel.ts';
import { localHost, urlOf } from '../tunnels/relationships.ts';
import { serviceNamed } from '../tunnels/service-named.ts';
import { withTunnelsLock } from '../tunnels/tunnel-store.ts';
import { reachServices } from '../tunnels/tunnel-target.ts';
import { untilSignal } from '../tunnels/until-signal.ts';
import { publicWarning } from './tunnel-open.ts';

export interface TunnelSingleOptions extends Selection {
  readonly service: string;
  readonly port?: number | undefined;
  readonly gatewayPorts?: boolean | undefined;
}

/** Ctrl-C is how it usually ends, so that is no failure. */
export async function tunnelSingle(
  context: SallyContext,
  { service: name, port, gatewayPorts = false, ...selection }: TunnelSingleOptions,
): Promise<ExitName> {
  const { terminal } = context;
  const reached = await reachServices(context, selection);
  const service = serviceNamed(reached.services, name);
  const { signal, release } = untilSignal(['SIGINT', 'SIGTERM', 'SIGHUP']);
  const tunnel = await withTunnelsLock(context, () =>
    newTunnel(context, reached, { mode: 'foreground', services: [service], gatewayPorts, port }),
  );
  const [opened] = tunnel.services;
  if (!opened) throw new TypeError('a tunnel without a service');
  const kept = keepInForeground(context, tunnel);
  const close = () => void kept.close();
  signal.addEventListener('abort', close);
  if (signal.aborted) close();
  try {
    await kept.up;
    if (gatewayPorts) terminal.tell(publicWarning);
    terminal.print(`${opened.name} is at ${localHost} port ${opened.local_port}`);
    terminal.print(printable(urlOf(opened)));
    terminal.tell('sally: it is open until this is interrupted (Ctrl-C).');
    const ending = await kept.ended;
    if (ending.kind !== 'closed') throw failureOf(ending, tunnel);
  } catch (error) {
    if (!signal.aborted || !(error instanceof SallyportError)) throw error;
  } finally {
    await kept.close();
    release();
  }
  return 'done';
}
