/** A tunnel from nothing: its ports chosen and its state written, before anything is connected. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { OpenService } from '../../api/services.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { nowSeconds, type SallyContext } from '../context.ts';
import { readSessionFacts, sessionOver } from '../session-file.ts';
import { portsFor, requirePort } from './local-ports.ts';
import { identityOf } from './process-identity.ts';
import type { Tunnel } from './tunnel-state.ts';
import { createTunnel, platformOf, readTunnels } from './tunnel-store.ts';
import type { Reached } from './tunnel-target.ts';

export interface NewTunnel {
  readonly mode: Tunnel['mode'];
  readonly services: readonly OpenService[];
  readonly gatewayPorts: boolean;
  /** For the one service; absent: the one that it always has. */
  readonly port?: number | undefined;
}

/** To be called under the lock of the tunnels. This process is its supervisor until another one takes over. */
export async function newTunnel(
  context: SallyContext,
  { seen, target }: Pick<Reached, 'seen' | 'target'>,
  { mode, services, gatewayPorts, port }: NewTunnel,
): Promise<Tunnel> {
  const { server } = await sessionHere(context);
  const { project, environment, environment_kind, app, name } = target;
  const others = await readTunnels(context);
  const taken = new Set(others.flatMap((one) => one.services.map(({ local_port }) => local_port)));
  const names = services.map((service) => service.name);
  if (port !== undefined) await requirePort(port, gatewayPorts);
  const ports =
    port === undefined
      ? await portsFor(context, { server, project, environment, services: names, taken, gatewayPorts })
      : new Map(names.map((service) => [service, port]));
  const now = nowSeconds(context);
  const tunnel: Tunnel = {
    v: 1,
    id: randomBytes(4).toString('hex'),
    machine: hostname(),
    profile: context.paths.profile,
    server,
    account: seen.account,
    project,
    environment,
    environment_kind,
    app,
    target: name,
    mode,
    gateway_ports: gatewayPorts,
    opened_at: now,
    status: 'opening',
    since: now,
    why: null,
    supervisor: await ownIdentity(context),
    ssh: null,
    services: services.map((service) => ({
      ...service,
      local_port: ports.get(service.name) ?? 0,
      open: true,
    })),
  };
  await createTunnel(context, tunnel);
  return tunnel;
}

/** Where the person is logged in: tunnels of another server are others, whatever their environments are called. */
export async function sessionHere(context: SallyContext): Promise<{ readonly server: string }> {
  const session = await readSessionFacts(context);
  if (session?.has_tokens) return session;
  throw session
    ? sessionOver()
    : new SallyportError('token_missing', 'Nobody is logged in here. Run: sally login');
}

export async function ownIdentity(context: SallyContext): Promise<NonNullable<Tunnel['supervisor']>> {
  const identity = await identityOf(process.pid, platformOf(context));
  if (identity) return identity;
  throw new SallyportError('unavailable', 'This system does not tell when a process has started (ps).');
}
