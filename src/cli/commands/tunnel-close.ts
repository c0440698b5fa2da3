import { SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { chosenTunnels, oneTunnel } from '../tunnels/choose-tunnels.ts';
import { endTunnel } from '../tunnels/end-tunnel.ts';
import { placeOf, type Tunnel } from '../tunnels/tunnel-state.ts';
import { readTunnels } from '../tunnels/tunnel-store.ts';

export interface TunnelCloseOptions {
  readonly name?: string | undefined;
  readonly all?: boolean | undefined;
}

/** The one that is open, those of a name, or all. Where none is open there is nothing to do. */
export async function tunnelClose(
  context: SallyContext,
  { name, all = false }: TunnelCloseOptions,
): Promise<ExitName> {
  const tunnels = await readTunnels(context);
  if (tunnels.length === 0 && name === undefined) {
    context.terminal.print('No tunnel is open.');
    return 'done';
  }
  for (const tunnel of chosen(tunnels, name, all)) {
    await endTunnel(context, tunnel);
    context.terminal.print(`The tunnel to ${placeOf(tunnel)} is closed.`);
  }
  return 'done';
}

function chosen(tunnels: readonly Tunnel[], name: string | undefined, all: boolean): readonly Tunnel[] {
  if (all && name !== undefined) {
    throw new SallyportError('settings_invalid', 'Name a tunnel, or say --all; both is too much.');
  }
  if (all || name !== undefined) return chosenTunnels(tunnels, name);
  return [oneTunnel(tunnels, undefined)];
}
