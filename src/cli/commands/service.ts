/** `sally service`: the client of a service, through a tunnel that lives as long as it does. */
import { isSallyportError, SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import { printable } from '../printable.ts';
import type { Selection } from '../reach/find-target.ts';
import { type ForegroundTunnel, failureOf, keepInForeground } from '../tunnels/foreground.ts';
import { newTunnel, sessionHere } from '../tunnels/new-tunnel.ts';
import { localHost, urlOf } from '../tunnels/relationships.ts';
import { clientOf, type ServiceClient } from '../tunnels/service-clients.ts';
import { serviceNamed } from '../tunnels/service-named.ts';
import type { TunnelService } from '../tunnels/tunnel-state.ts';
import { readTunnels, withTunnelsLock } from '../tunnels/tunnel-store.ts';
import { type Reached, reachServices } from '../tunnels/tunnel-target.ts';
import { untilSignal } from '../tunnels/until-signal.ts';

export interface ServiceOptions extends Selection {
  readonly service: string;
  /** Only the way there, for another program. */
  readonly noClient?: boolean | undefined;
  /** For the client, behind what it is told of the service. */
  readonly args: readonly string[];
}

/** Ends with the exit code of the client. */
export async function service(
  context: SallyContext,
  { service: name, noClient = false, args, ...selection }: ServiceOptions,
): Promise<number> {
  const reached = await reachServices(context, selection);
  const wanted = serviceNamed(reached.services, name);
  const open = await openService(context, reached, wanted.name);
  if (open) return await use(context, open, { noClient, args }, undefined);
  const tunnel = await withTunnelsLock(context, () =>
    newTunnel(context, reached, { mode: 'foreground', services: [wanted], gatewayPorts: false }),
  );
  const [made] = tunnel.services;
  if (!made) throw new TypeError('a tunnel without a service');
  const { signal, release } = untilSignal(['SIGINT', 'SIGTERM', 'SIGHUP']);
  const kept = keepInForeground(context, tunnel);
  const close = () => void kept.close();
  signal.addEventListener('abort', close);
  if (signal.aborted) close();
  try {
    await kept.up;
    // From here on Ctrl-C is for the client.
    signal.removeEventListener('abort', close);
    return await use(context, made, { noClient, args }, { kept, signal, tunnelName: tunnel });
  } finally {
    await kept.close();
    release();
  }
}

interface Own {
  readonly kept: ForegroundTunnel;
  readonly signal: AbortSignal;
  readonly tunnelName: Parameters<typeof failureOf>[1];
}

/** @param own the tunnel if it is this command's; one that was open before stays */
async function use(
  context: SallyContext,
  open: TunnelService,
  { noClient, args }: Pick<ServiceOptions, 'noClient' | 'args'>,
  own: Own | undefined,
): Promise<number> {
  const client = clientOf(open);
  if (client && !noClient) return await runClient(context, client, args);
  const { terminal } = context;
  if (!client && !noClient) terminal.tell(`sally: no client is known for ${printable(open.kind)}`);
  terminal.print(`${open.name} is at ${localHost} port ${open.local_port}`);
  terminal.print(printable(urlOf(open)));
  if (!own) return 0;
  terminal.tell('sally: it is open until this is interrupted (Ctrl-C).');
  own.signal.addEventListener('abort', () => void own.kept.close());
  if (own.signal.aborted) void own.kept.close();
  const ending = await own.kept.ended;
  if (ending.kind !== 'closed') throw failureOf(ending, own.tunnelName);
  return 0;
}

async function runClient(
  context: SallyContext,
  { program, args, environment, from }: ServiceClient,
  more: readonly string[],
): Promise<number> {
  context.debug.say(`runs ${JSON.stringify([program, ...args, ...more])}`);
  try {
    return await context.runProgram({
      program,
      args: [...args, ...more],
      ...(environment && { environment }),
    });
  } catch (error) {
    if (!isSallyportError(error) || error.code !== 'program_missing') throw error;
    throw new SallyportError(
      'program_missing',
      `${program} is not installed here. It is in the package ${from}. For another client: --no-client`,
    );
  }
}

/** Through a tunnel that is up already. */
async function openService(
  context: SallyContext,
  { seen, target }: Reached,
  name: string,
): Promise<TunnelService | undefined> {
  const { server } = await sessionHere(context);
  return (await readTunnels(context))
    .filter(
      (one) =>
        one.status === 'up' &&
        one.server === server &&
        one.account === seen.account &&
        one.project === target.project &&
        one.environment === target.environment,
    )
    .flatMap(({ services }) => services)
    .find((one) => one.open && one.name === name);
}
